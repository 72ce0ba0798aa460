{{/* Names, labels and what several files need. */}}

{{- define "phaseloop.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "phaseloop.account" -}}
{{- .Values.serviceAccount.name | default (include "phaseloop.name" .) -}}
{{- end -}}

{{- define "phaseloop.selector" -}}
app.kubernetes.io/name: phaseloop
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "phaseloop.labels" -}}
{{ include "phaseloop.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "phaseloop.image" -}}
{{- $missing := "image.repository is empty, and no image of phaseloop is published: build one, push it where the cluster pulls from (docs/installing.md), and name it, as in --set image.repository=registry.example.org/phaseloop" -}}
{{- $repository := required $missing .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The namespaces that are worked in, as a JSON list; empty for all of them. */}}
{{- define "phaseloop.namespaces" -}}
{{- if .Values.scope.allNamespaces -}}
{{- if .Values.scope.namespaces -}}
{{- fail "scope.allNamespaces and scope.namespaces go together only where one of them is empty: name namespaces, or take all of them" -}}
{{- end -}}
[]
{{- else -}}
{{- .Values.scope.namespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- end -}}
{{- end -}}

{{/* Rules of a part of files/rights.yaml, without their reasons. */}}
{{- define "phaseloop.rules" -}}
{{- range . }}
- {{ omit . "why" | toYaml | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- define "phaseloop.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "phaseloop.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end -}}

{{/* The same, of rules that hold for one object: an empty resourceNames becomes its name. */}}
{{- define "phaseloop.namedRules" -}}
{{- $rules := list -}}
{{- $name := .name -}}
{{- range .rules -}}
{{- if hasKey . "resourceNames" -}}
{{- $rules = append $rules (merge (dict "resourceNames" (list $name)) (omit . "resourceNames")) -}}
{{- else -}}
{{- $rules = append $rules . -}}
{{- end -}}
{{- end -}}
{{- include "phaseloop.rules" $rules -}}
{{- end -}}

{{/* Annotations of the hook before the chart is uninstalled; its argument is the weight. */}}
{{- define "phaseloop.leaving" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Annotations of what the pod of `helm test` needs; its argument is the weight. */}}
{{- define "phaseloop.check" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A container that leaves a namespace, or all of them. */}}
{{- define "phaseloop.uninstalls" -}}
image: {{ include "phaseloop.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ concat (list "uninstall" "--yes" "--timeout" (printf "%ds" (int .root.Values.uninstall.timeoutSeconds))) .scope | toJson }}
resources:
  {{- toYaml .root.Values.resources | nindent 2 }}
securityContext:
  {{- include "phaseloop.containerSecurity" .root | nindent 2 }}
{{- end -}}
