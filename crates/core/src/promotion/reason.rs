//! Why a promotion stands where it stands.

crate::reasons! {
    /// Why a promotion is in its phase: what it waits for, or what ended it.
    pub enum PromotionReason {
        /// It was just made and not looked at yet.
        JustMade,
        /// This version does not deliver by Git: put the value into Git by hand, or use delivery Patch.
        GitNotDelivered,
        /// The ConfigMap that the value lies in is immutable: let the target read one that can be changed.
        ConfigMapImmutable,
        /// Another Deployment or StatefulSet refers to the ConfigMap and would get the value too: give the target one of its own.
        ConfigMapShared,
        /// The target's pod template does not refer to the ConfigMap, so a value in it would do nothing.
        ConfigMapNotUsed,
        /// Argo CD, Flux or Helm manages the ConfigMap and would put the old value back: use delivery Git, or set allowManaged.
        ConfigMapManaged,
        /// A field stands where neither its parameter's own flag nor the administrator's policy puts it, or its value is not that of the parameter.
        FieldNotAllowed,
        /// A field can't be written or put back exactly as the target stands; the message says why.
        FieldNotWritable,
        /// The administrator's policy can't be read, and nothing begins until it is mended.
        PolicyUnreadable,
        /// Something in the promotion's spec can't work; the message names the field.
        SpecInvalid,
        /// No TuningCanary is there that passed with these values on this target and template; nothing is applied without its evidence.
        EvidenceMissing,
        /// Argo CD, Flux or Helm manages the target and would put the old value back: use delivery Git, or set allowManaged.
        TargetManaged,
        /// The target's rollout is paused, so a change would not roll out: resume it.
        RolloutPaused,
        /// The target replaces pods only when they are deleted, so a change would not roll out: use RollingUpdate.
        RolloutOnDelete,
        /// The target's rollout is partitioned, so only some pods would get the change: set the partition to 0.
        RolloutPartitioned,
        /// The rollout needs one GPU more than the target holds and none was found: allow maxUnavailable 1, or free a GPU.
        RolloutCannotSurge,
        /// No replica would serve during the rollout: add replicas, or consent with allowDowntime.
        RolloutInterrupts,
        /// A person has to set spec.decision to Approved or Rejected.
        AwaitingApproval,
        /// The admission policy that guards approvals is not in force, so no approval can be trusted: install it, or use delivery Git.
        ApprovalUnprotected,
        /// The decision says Approved but not by whom; the admission policy would not have let that pass.
        ApproverUnknown,
        /// The pull request is open: merge it, or close it to reject the promotion.
        AwaitingMerge,
        /// The finalizer is put on first, so that nothing is applied that could not be taken back on deletion.
        FinalizerMissing,
        /// phaseloop is suspended for this target and begins nothing.
        Suspended,
        /// A replica of the target is borrowed and must be given back first.
        TargetBorrowed,
        /// The target is rolling out another change; ours waits until it is done.
        TargetRollingOut,
        /// No promotion window is open; the message says when the next one opens.
        WindowClosed,
        /// Every gate is open: the patch is being sent.
        Patching,
        /// The cluster refuses the patch: an admission rule forbids it, or a right is missing; the message says which.
        PatchRefused,
        /// A gate closed before the patch was answered: the patch is being made harmless.
        Withdrawing,
        /// A gate closed, or the target went, before the target was changed: the value is being taken out of the ConfigMap again.
        TakingOut,
        /// The pull request is being opened.
        OpeningPullRequest,
        /// The pull request is merged; what syncs the repository has not brought the value to the target yet.
        AwaitingSync,
        /// The value is in the target; its rollout has not finished.
        RollingOut,
        /// The rollout has finished; the first valid run that starts after it and sees it from start to end decides.
        AwaitingValidation,
        /// The value is in the target, but somebody changed another part of the template or of its ConfigMap: no run can be compared until that is undone.
        TemplateChangedAfterApply,
        /// A valid run after the rollout found the symptom gone and nothing else worse.
        Improved,
        /// A valid run after the rollout still found the symptom.
        SymptomPersists,
        /// A valid run after the rollout found something else worse.
        SomethingElseWorse,
        /// No run decided by the promotion's deadline.
        ValidationDeadlinePassed,
        /// Kubernetes reported that the rollout made no progress within its deadline.
        RolloutStuck,
        /// A new pod of the rollout crashed.
        NewPodCrashed,
        /// The rollout took longer than rolloutTimeout.
        RolloutTimedOut,
        /// The promotion was deleted before it was validated.
        DeletionRequested,
        /// A person decided Rejected.
        DecisionRejected,
        /// A person closed the pull request without merging it.
        PullRequestClosed,
        /// A person put the old value back in Git.
        RevertedByHand,
        /// The target is gone, and with it whatever was written to it.
        TargetMissing,
        /// The target was deleted and made again; the evidence speaks of the earlier one.
        TargetReplaced,
        /// The target was made again with our unvalidated value in it; a person has to decide whether it stays.
        ReplacementCarriesValue,
        /// The target's template is not the one that the canary was built from.
        TemplateChanged,
        /// Other data of the ConfigMap changed since the promotion was made; the evidence does not speak of it.
        ConfigurationChanged,
        /// Somebody changed a field that the promotion was to set.
        OwnedFieldChanged,
        /// Somebody changed the target, or its ConfigMap, while the patch was unanswered, so it is not known whether it ever landed.
        TargetChangedWhileApplying,
        /// The promoted values are those that stand there already.
        NothingToChange,
        /// Another promotion of the target is not finished and goes first.
        AnotherPromotionFirst,
        /// Too little time is left to roll out and be validated before the deadline.
        TooLateToValidate,
        /// Somebody changed a field after the promotion had set it; their value stays, and a person decides.
        ValueOverwritten,
        /// A person closed the pull request that would have put the old value back; the value stays, and a person decides.
        RevertRefused,
    }
}

crate::reasons! {
    /// Why a promotion's conditions stand as they do, where no reason of its phase says it.
    pub enum PromotionConditionReason {
        /// Nobody has to agree: the approval is Automatic.
        ApprovalNotNeeded,
        /// A person set spec.decision to Approved; the message says who.
        ApprovedByPerson,
        /// The value is not in the target, so that nothing rolls out and no run can validate it.
        NothingApplied,
        /// Every replica runs the promoted template.
        RolloutFinished,
        /// The value was taken back.
        TakenBack,
    }
}
