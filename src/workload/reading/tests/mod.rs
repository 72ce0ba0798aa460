//! Pods as the kubelet leaves them.
