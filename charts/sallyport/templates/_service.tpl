{{/*
One service: ConfigMap, Service, StatefulSet, NetworkPolicy, PodDisruptionBudget.
Called with a dict: root, key (of values.services), name (with underscores, as
in the SPIFFE identity), grpc (port), config (what this chart computes), ports
(list of name, port, protocol that peers outside reach), ranges (list of first,
last, protocol, which they reach too; may be left out), callers (list of
services that call it), calls (list of services that it calls), insidePorts
(list of name, port beside gRPC for callers and operators; may be left out), siblings (port
by which its pods reach each other; 0: they do not), capabilities (list; may be
left out: none. With some the container runs as user 0 without any others, as
Kubernetes gives a user of another number none of them).
*/}}
{{- define "sallyport.dns" -}}
{{ printf "sallyport-%s" (. | replace "_" "-") }}
{{- end -}}

{{- define "sallyport.labels" -}}
app.kubernetes.io/name: {{ include "sallyport.dns" .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: sallyport
{{- end -}}

{{- define "sallyport.client" -}}
{{- dict "target" (printf "dns:///%s:%d" (include "sallyport.dns" .name) (int .port)) | toJson -}}
{{- end -}}

{{- define "sallyport.service" -}}
{{- $values := index .root.Values.services .key -}}
{{- $dns := include "sallyport.dns" .name -}}
{{- $server := dict
  "listenAddress" (printf "0.0.0.0:%d" (int .grpc))
  "tls" (dict "certificateFile" "/etc/sallyport/tls/tls.crt" "keyFile" "/etc/sallyport/tls/tls.key" "caFile" "/etc/sallyport/tls/ca.crt")
  "trustDomain" .root.Values.trustDomain
  "roleBindings" .root.Values.roleBindings
  "metricsAddress" "0.0.0.0:9464"
  "drainTimeout" (printf "%ds" (int $values.drainSeconds)) -}}
{{- $renews := .root.Values.certificateRenewal.enabled -}}
{{- $capf := dict "name" "capf" "port" 7005 -}}
{{- $reports := or $renews .root.Values.fips.follow -}}
{{- if or $renews (and $reports (ne .name "capf")) -}}
{{- $renewal := dict "folder" "/var/lib/sallyport/tls" -}}
{{- if ne .name "capf" -}}
{{- $_ := set $renewal "capf" (include "sallyport.client" $capf | fromJson) -}}
{{- end -}}
{{- if not $renews -}}
{{- $_ := set $renewal "onlyReport" true -}}
{{- end -}}
{{- $_ := set $server "certificateRenewal" $renewal -}}
{{- end -}}
{{- with .root.Values.fips.integrityFile -}}
{{- $_ := set $server "fips" (dict "integrityFile" .) -}}
{{- end -}}
{{- $config := mergeOverwrite (dict "server" $server) .config $values.config -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $dns }}
  labels: {{- include "sallyport.labels" . | nindent 4 }}
data:
  config.json: |
    {{- $config | toPrettyJson | nindent 4 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $dns }}
  labels: {{- include "sallyport.labels" . | nindent 4 }}
spec:
  clusterIP: None
  selector: {{- include "sallyport.labels" . | nindent 4 }}
  ports:
    - {name: grpc, port: {{ .grpc }}, targetPort: grpc}
    {{- range .insidePorts }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}}
    {{- end }}
    - {name: metrics, port: 9464, targetPort: metrics}
{{- if .ports }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $dns }}-public
  labels: {{- include "sallyport.labels" . | nindent 4 }}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {{- include "sallyport.labels" . | nindent 4 }}
  ports:
    {{- range .ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, protocol: {{ .protocol }}}
    {{- end }}
{{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $dns }}
  labels: {{- include "sallyport.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  serviceName: {{ $dns }}
  selector:
    matchLabels: {{- include "sallyport.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "sallyport.labels" . | nindent 8 }}
      annotations:
        sallyport/config-sha256: {{ $config | toJson | sha256sum }}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ add $values.drainSeconds 30 }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        # Otherwise each start lets the group read keys, which is then refused.
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {type: RuntimeDefault}
      {{- if .hostNetwork }}
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      containers:
        - name: {{ $dns }}
          image: "{{ .root.Values.image.registry }}/{{ .name }}:{{ .root.Values.image.tag }}"
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: ["--config=/etc/sallyport/config/config.json"]
          {{- if .hostNetwork }}
          env:
            # With the node's network these are the node's own, of each family.
            - {name: SALLYPORT_NODE_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            {{- with .capabilities }}
            runAsNonRoot: false
            runAsUser: 0
            capabilities: {drop: [ALL], add: {{ toJson . }}}
            {{- else }}
            capabilities: {drop: [ALL]}
            {{- end }}
          ports:
            - {name: grpc, containerPort: {{ .grpc }}}
            {{- range .insidePorts }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
            - {name: metrics, containerPort: 9464}
            {{- if .siblings }}
            - {name: siblings, containerPort: {{ .siblings }}}
            {{- end }}
            {{- range .ports }}
            - {name: {{ .name }}, containerPort: {{ .port }}, protocol: {{ .protocol }}}
            {{- end }}
          startupProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 1, failureThreshold: 60}
          livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 10}
          readinessProbe: {httpGet: {path: /readyz, port: metrics}, periodSeconds: 2}
          resources: {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/sallyport/config, readOnly: true}
            - {name: tls, mountPath: /etc/sallyport/tls, readOnly: true}
            {{- if $values.sipTlsSecret }}
            - {name: sip-tls, mountPath: /etc/sallyport/sip-tls, readOnly: true}
            {{- end }}
            {{- if $values.tokenKeySecret }}
            - {name: token-key, mountPath: /etc/sallyport/token, readOnly: true}
            {{- end }}
            {{- if $values.passphraseSecret }}
            - {name: passphrase, mountPath: /etc/sallyport/passphrase, readOnly: true}
            {{- end }}
            {{- if $values.postgresSecret }}
            - {name: postgres, mountPath: /etc/sallyport/postgres, readOnly: true}
            {{- end }}
            - {name: state, mountPath: /var/lib/sallyport}
            {{- if $values.keysClaim }}
            - {name: keys, mountPath: /var/lib/sallyport/keys}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {name: config, configMap: {name: {{ $dns }}}}
        - {name: tls, secret: {secretName: {{ $values.tlsSecret }}, defaultMode: 0440}}
        {{- if $values.sipTlsSecret }}
        - {name: sip-tls, secret: {secretName: {{ $values.sipTlsSecret }}, defaultMode: 0440}}
        {{- end }}
        {{- if $values.tokenKeySecret }}
        - {name: token-key, secret: {secretName: {{ $values.tokenKeySecret }}, defaultMode: 0440}}
        {{- end }}
        {{- if $values.passphraseSecret }}
        - {name: passphrase, secret: {secretName: {{ $values.passphraseSecret }}, defaultMode: 0440}}
        {{- end }}
        {{- if $values.postgresSecret }}
        - {name: postgres, secret: {secretName: {{ $values.postgresSecret }}, defaultMode: 0440}}
        {{- end }}
        {{- if $values.keysClaim }}
        - {name: keys, persistentVolumeClaim: {claimName: {{ $values.keysClaim }}}}
        {{- end }}
        - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 16Mi}}
  volumeClaimTemplates:
    - metadata: {name: state}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: {{ $values.storage }}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $dns }}
  labels: {{- include "sallyport.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "sallyport.labels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if .callers }}
    - from:
        {{- range .callers }}
        - podSelector: {matchLabels: {app.kubernetes.io/name: {{ include "sallyport.dns" . }}}}
        {{- end }}
      ports: [{port: grpc}{{ range .insidePorts }}, {port: {{ .name }}}{{ end }}]
    {{- end }}
    {{- if and $reports (eq .name "capf") }}
    - from: [{podSelector: {matchLabels: {app.kubernetes.io/part-of: sallyport}}}]
      ports: [{port: grpc}]
    {{- end }}
    {{- if .siblings }}
    - from: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ $dns }}}}}]
      ports: [{port: siblings}]
    {{- end }}
    - from: [{namespaceSelector: {matchLabels: {sallyport/operators: "true"}}}]
      ports: [{port: grpc}, {port: metrics}{{ range .insidePorts }}, {port: {{ .name }}}{{ end }}]
    {{- if .ports }}
    - ports:
        {{- range .ports }}
        - {port: {{ .port }}, protocol: {{ .protocol }}}
        {{- end }}
        {{- range .ranges }}
        - {port: {{ .first }}, endPort: {{ .last }}, protocol: {{ .protocol }}}
        {{- end }}
    {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- range .calls }}
    - to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ include "sallyport.dns" . }}}}}]
    {{- end }}
    {{- if and $reports (ne .name "capf") }}
    - to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ include "sallyport.dns" "capf" }}}}}]
    {{- end }}
    {{- if .siblings }}
    - to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ $dns }}}}}]
      ports: [{port: {{ .siblings }}, protocol: TCP}]
    {{- end }}
    {{- if $values.postgresSecret }}
    - ports: [{port: 5432, protocol: TCP}]
    {{- end }}
    {{- if .reachesPeers }}
    - to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "::/0"}}]
    {{- end }}
{{- end -}}
