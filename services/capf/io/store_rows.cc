#include "services/capf/io/store_rows.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/operation_status.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/row_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

absl::Status Conflict() {
  return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                   "it was changed meanwhile");
}

std::string ToHexColumn(const std::string& octets) {
  return HexEncode(AsBytes(octets));
}

std::string FromHexColumn(const std::string& hex) {
  absl::StatusOr<std::string> octets = HexDecode(hex);
  return octets.ok() ? *std::move(octets) : std::string();
}

std::string TenantOf(const std::string& name) {
  // "tenants/{tenant}/..."
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() > 1 ? parts[1] : std::string();
}

// The columns of an enrollment as SOCI takes them: by reference, so this must
// live as long as the statement.
struct EnrollmentColumns {
  explicit EnrollmentColumns(const Enrollment& e)
      : name(e.name),
        tenant(TenantOf(e.name)),
        device_name(e.device_name),
        operation(static_cast<long long>(e.operation)),
        mode(static_cast<long long>(e.mode)),
        iterations(e.verifier.iterations),
        salt(ToHexColumn(e.verifier.salt)),
        hash(ToHexColumn(e.verifier.hash)),
        spent(e.string_spent),
        key_order(static_cast<long long>(e.key_order)),
        rsa_bits(e.rsa_bits),
        curve(static_cast<long long>(e.curve)),
        validity(absl::ToInt64Microseconds(e.validity)),
        completes_by(ToColumn(e.completes_by)),
        outcome(static_cast<long long>(e.status.outcome)),
        status_operation(static_cast<long long>(e.status.operation)),
        reason(static_cast<long long>(e.status.reason)),
        failed(e.failed_attempts),
        locked(e.locked),
        lsc(e.lsc_serial),
        unconfirmed(e.unconfirmed_serial),
        expires(ToColumn(e.lsc_expire_time)),
        contact(ToColumn(e.last_contact_time)),
        protocol(e.protocol_version),
        request_key(e.request_key),
        created(ToColumn(e.create_time)),
        updated(ToColumn(e.update_time)),
        version(e.version),
        approval_required(e.approval_required),
        approved(e.approved),
        mic(ToHexColumn(e.mic_der)),
        proof(absl::StrJoin(e.used_proofs, ",") + ";" + e.current_proof),
        model(e.model) {}

  std::string name, tenant, device_name;
  long long operation, mode, iterations;
  std::string salt, hash;
  long long spent, key_order, rsa_bits, curve, validity, completes_by;
  long long outcome, status_operation, reason, failed, locked;
  std::string lsc, unconfirmed;
  long long expires, contact, protocol;
  std::string request_key;
  long long created, updated, version;
  long long approval_required, approved;
  std::string mic, proof, model;
};

}  // namespace

long long ToColumn(absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    return std::numeric_limits<long long>::max();
  }
  if (time == absl::InfinitePast()) {
    return std::numeric_limits<long long>::min();
  }
  return absl::ToUnixMicros(time);
}

Enrollment ReadEnrollment(const SqlRow& row) {
  const RowReader r(row);
  Enrollment e;
  e.name = r.Text("name");
  e.device_name = r.Text("device_name");
  e.operation = r.As<Operation>("operation");
  e.mode = r.As<AuthenticationMode>("mode");
  e.verifier.iterations = r.As<uint32_t>("verifier_iterations");
  e.verifier.salt = r.Octets("verifier_salt");
  e.verifier.hash = r.Octets("verifier_hash");
  e.string_spent = r.Number("string_spent") != 0;
  e.key_order = r.As<KeyOrder>("key_order");
  e.rsa_bits = r.As<int>("rsa_bits");
  e.curve = r.As<KeyKind>("curve");
  e.validity = absl::Microseconds(r.Number("validity"));
  e.completes_by = r.Time("completes_by");
  e.status.outcome = r.As<OperationStatus::Outcome>("status_outcome");
  e.status.operation = r.As<Operation>("status_operation");
  e.status.reason = r.As<FailureReason>("status_reason");
  e.failed_attempts = r.As<uint32_t>("failed_attempts");
  e.locked = r.Number("locked") != 0;
  e.lsc_serial = r.Text("lsc_serial");
  e.unconfirmed_serial = r.Text("unconfirmed_serial");
  e.lsc_expire_time = r.Time("lsc_expire_time");
  e.last_contact_time = r.Time("last_contact_time");
  e.protocol_version = r.As<uint8_t>("protocol_version");
  e.request_key = r.Text("request_key");
  e.create_time = r.Time("create_time");
  e.update_time = r.Time("update_time");
  e.version = r.Number("version");
  e.approval_required = r.Number("approval_required") != 0;
  e.approved = r.Number("approved") != 0;
  e.mic_der = r.Octets("mic_der");
  e.model = r.Text("model");
  e.authority = r.Text("authority");
  const std::string proofs = r.Text("seen_proof");
  const size_t divider = proofs.find(';');
  e.used_proofs =
      absl::StrSplit(proofs.substr(0, divider), ',', absl::SkipEmpty());
  if (divider != std::string::npos) {
    e.current_proof = proofs.substr(divider + 1);
  }
  return e;
}

void InsertEnrollment(SqlStatements& sql, const Enrollment& enrollment) {
  EnrollmentColumns c(enrollment);
  c.version = 1;
  sql.Execute(
      "INSERT INTO enrollments (name, tenant, device_name, operation, mode,"
      " verifier_iterations, verifier_salt, verifier_hash, string_spent,"
      " key_order, rsa_bits, curve, validity, completes_by, status_outcome,"
      " status_operation, status_reason, failed_attempts, locked,"
      " lsc_serial, unconfirmed_serial, lsc_expire_time, last_contact_time,"
      " protocol_version, request_key, create_time, update_time, version,"
      " approval_required, approved, mic_der, seen_proof, model, authority)"
      " VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l, :m, :n, :o,"
      " :p, :q, :r, :s, :t, :u, :v, :w, :x, :y, :z, :aa, :ab, :ac, :ad,"
      " :ae, :af, :ag, :ah)",
      c.name, c.tenant, c.device_name, c.operation, c.mode, c.iterations,
      c.salt, c.hash, c.spent, c.key_order, c.rsa_bits, c.curve, c.validity,
      c.completes_by, c.outcome, c.status_operation, c.reason, c.failed,
      c.locked, c.lsc, c.unconfirmed, c.expires, c.contact, c.protocol,
      c.request_key, c.created, c.updated, c.version, c.approval_required,
      c.approved, c.mic, c.proof, c.model, enrollment.authority);
}

absl::Status UpdateEnrollment(SqlStatements& sql,
                              const Enrollment& enrollment) {
  const EnrollmentColumns c(enrollment);
  const long long changed = sql.Execute(
      "UPDATE enrollments SET operation = :d, mode = :e,"
      " verifier_iterations = :f, verifier_salt = :g,"
      " verifier_hash = :h, string_spent = :i, key_order = :j,"
      " rsa_bits = :k, curve = :l, validity = :m, completes_by = :n,"
      " status_outcome = :o, status_operation = :p,"
      " status_reason = :q, failed_attempts = :r, locked = :s,"
      " lsc_serial = :t, unconfirmed_serial = :u,"
      " lsc_expire_time = :v, last_contact_time = :w,"
      " protocol_version = :x, request_key = :y, update_time = :aa,"
      " approval_required = :ac, approved = :ad, mic_der = :ae,"
      " seen_proof = :af, model = :ag, authority = :ah,"
      " version = version + 1 WHERE name = :a AND version = :ab",
      c.operation, c.mode, c.iterations, c.salt, c.hash, c.spent, c.key_order,
      c.rsa_bits, c.curve, c.validity, c.completes_by, c.outcome,
      c.status_operation, c.reason, c.failed, c.locked, c.lsc, c.unconfirmed,
      c.expires, c.contact, c.protocol, c.request_key, c.updated,
      c.approval_required, c.approved, c.mic, c.proof, c.model,
      enrollment.authority, c.name, c.version);
  return changed == 1 ? absl::OkStatus() : Conflict();
}

absl::Status DeleteEnrollment(SqlStatements& sql, const VersionedName& which) {
  const long long version = which.version;
  const long long changed = sql.Execute(
      "DELETE FROM enrollments WHERE name = :n"
      " AND (CAST(:v AS BIGINT) = 0 OR version = :w)",
      which.name, version, version);
  return changed == 1 ? absl::OkStatus() : Conflict();
}

CertificateRecord ReadCertificate(const SqlRow& row) {
  const RowReader r(row);
  CertificateRecord c;
  c.serial = r.Text("serial");
  c.tenant = r.Text("tenant");
  c.profile = ProfileByName(r.Text("profile")).value_or(ProfileId::kClient);
  c.state = r.As<CertificateState>("state");
  c.common_name = r.Text("common_name");
  c.enrollment = r.Text("enrollment");
  c.requester = r.Text("requester");
  c.request_key = r.Text("request_key");
  c.request_sha256 = r.Text("request_sha256");
  c.key_sha256 = r.Text("key_sha256");
  c.tbs = r.Octets("tbs");
  c.der = r.Octets("der");
  c.not_before = r.Time("not_before");
  c.not_after = r.Time("not_after");
  c.create_time = r.Time("create_time");
  c.revoke_time = r.Time("revoke_time");
  c.revocation_reason = r.As<RevocationReason>("revocation_reason");
  c.authority = r.Text("authority");
  return c;
}

void InsertCertificate(SqlStatements& sql, const CertificateRecord& c) {
  const std::string profile(ProfileFor(c.profile).name);
  const auto state = static_cast<long long>(c.state);
  const std::string tbs = ToHexColumn(c.tbs);
  const std::string der = ToHexColumn(c.der);
  const long long not_before = ToColumn(c.not_before);
  const long long not_after = ToColumn(c.not_after);
  const long long created = ToColumn(c.create_time);
  const long long revoked = ToColumn(c.revoke_time);
  const auto reason = static_cast<long long>(c.revocation_reason);
  sql.Execute(
      "INSERT INTO certificates (serial, tenant, profile, state,"
      " common_name, enrollment, requester, request_key, request_sha256,"
      " key_sha256, tbs, der, not_before, not_after, create_time,"
      " revoke_time, revocation_reason, authority) VALUES (:a, :b, :c, :d, :e,"
      " :f, :g, :h, :i, :j, :k, :l, :m, :n, :o, :p, :q, :r)",
      c.serial, c.tenant, profile, state, c.common_name, c.enrollment,
      c.requester, c.request_key, c.request_sha256, c.key_sha256, tbs, der,
      not_before, not_after, created, revoked, reason, c.authority);
}

absl::Status UpdateCertificate(SqlStatements& sql,
                               const CertificateUpdate& update) {
  const CertificateRecord& c = update.record;
  const auto state = static_cast<long long>(c.state);
  const auto expected = static_cast<long long>(update.expected);
  const long long revoked = ToColumn(c.revoke_time);
  const auto reason = static_cast<long long>(c.revocation_reason);
  if (update.expected != CertificateState::kIntent) {
    // Signed: its octets stay what they are.
    const long long changed = sql.Execute(
        "UPDATE certificates SET state = :a, revoke_time = :c,"
        " revocation_reason = :d WHERE serial = :e AND state = :f",
        state, revoked, reason, c.serial, expected);
    return changed == 1 ? absl::OkStatus() : Conflict();
  }
  const std::string der = ToHexColumn(c.der);
  // A certificate holds what was to be signed, octet for octet.
  const std::string tbs = der.empty() ? ToHexColumn(c.tbs) : std::string();
  const long long changed = sql.Execute(
      "UPDATE certificates SET state = :a, der = :b, tbs = :t,"
      " revoke_time = :c, revocation_reason = :d"
      " WHERE serial = :e AND state = :f",
      state, der, tbs, revoked, reason, c.serial, expected);
  return changed == 1 ? absl::OkStatus() : Conflict();
}

TrustedCertificate ReadTrusted(const SqlRow& row) {
  const RowReader r(row);
  return {.store = r.Text("store"),
          .sha256 = r.Text("sha256"),
          .der = r.Octets("der"),
          .origin = r.Text("origin"),
          .tls_peer_subject = r.Text("tls_peer_subject"),
          .tls_contexts =
              absl::StrSplit(r.Text("tls_contexts"), '\n', absl::SkipEmpty()),
          .create_time = r.Time("create_time")};
}

void InsertTrusted(SqlStatements& sql, const TrustedCertificate& t) {
  const std::string der = ToHexColumn(t.der);
  const std::string contexts = absl::StrJoin(t.tls_contexts, "\n");
  const long long created = ToColumn(t.create_time);
  sql.Execute(
      "INSERT INTO trusted_certificates (store, sha256, der, origin,"
      " tls_peer_subject, tls_contexts, create_time)"
      " VALUES (:a, :b, :c, :d, :e, :f, :g)",
      t.store, t.sha256, der, t.origin, t.tls_peer_subject, contexts, created);
}

absl::Status DeleteTrusted(SqlStatements& sql, const TrustedCertificate& t) {
  const long long changed = sql.Execute(
      "DELETE FROM trusted_certificates"
      " WHERE store = :a AND sha256 = :b",
      t.store, t.sha256);
  return changed == 1 ? absl::OkStatus() : Conflict();
}

PublishedList ReadPublished(const SqlRow& row) {
  const RowReader r(row);
  return {.tenant = r.Text("tenant"),
          .kind = r.As<TrustListKind>("kind"),
          .content = r.Octets("content"),
          .sha1 = r.Text("sha1"),
          .publish_time = r.Time("publish_time")};
}

void InsertPublished(SqlStatements& sql, const PublishedList& list) {
  const auto kind = static_cast<long long>(list.kind);
  const std::string content = ToHexColumn(list.content);
  const long long time = ToColumn(list.publish_time);
  sql.Execute(
      "INSERT INTO trust_lists (sequence, tenant, kind, sha1, content,"
      " publish_time) SELECT COALESCE(MAX(sequence), 0) + 1,"
      " CAST(:t AS TEXT), CAST(:k AS BIGINT), CAST(:s AS TEXT),"
      " CAST(:c AS TEXT), CAST(:p AS BIGINT) FROM trust_lists",
      list.tenant, kind, list.sha1, content, time);
}

PhoneLists ReadPhoneLists(const SqlRow& row) {
  const RowReader r(row);
  return {.tenant = r.Text("tenant"),
          .device = r.Text("device"),
          .ctl = r.Text("ctl"),
          .ctl_before = r.Text("ctl_before"),
          .itl = r.Text("itl"),
          .itl_before = r.Text("itl_before"),
          .fetch_time = r.Time("fetch_time"),
          .model = r.Text("model")};
}

void PutPhoneLists(SqlStatements& sql, const PhoneLists& lists) {
  const long long time = ToColumn(lists.fetch_time);
  sql.Execute("DELETE FROM phone_lists WHERE device = :d", lists.device);
  sql.Execute(
      "INSERT INTO phone_lists (device, tenant, ctl, ctl_before, itl,"
      " itl_before, fetch_time) VALUES (:d, :t, :c, :e, :i, :j, :f)",
      lists.device, lists.tenant, lists.ctl, lists.ctl_before, lists.itl,
      lists.itl_before, time);
}

CertificateEvent ReadEvent(const SqlRow& row) {
  const RowReader r(row);
  CertificateEvent e;
  e.sequence = r.Number("sequence");
  e.key = r.Text("occasion");
  e.tenant = r.Text("tenant");
  e.type = r.As<CertificateEventType>("type");
  e.event_time = r.Time("event_time");
  e.certificate_der = r.Octets("certificate");
  e.used_by = r.Text("used_by");
  e.summary = r.Text("summary");
  e.event_id = r.As<uint32_t>("event_id");
  return e;
}

void InsertEvent(SqlStatements& sql, const CertificateEvent& event) {
  const auto type = static_cast<long long>(event.type);
  const long long time = ToColumn(event.event_time);
  const std::string certificate = ToHexColumn(event.certificate_der);
  const long long id = event.event_id;
  sql.Execute(
      "INSERT INTO certificate_events (sequence, occasion, tenant, type,"
      " event_time, certificate, used_by, summary, event_id)"
      " SELECT COALESCE(MAX(sequence), 0) + 1, CAST(:a AS TEXT),"
      " CAST(:b AS TEXT), CAST(:c AS BIGINT), CAST(:d AS BIGINT),"
      " CAST(:e AS TEXT), CAST(:f AS TEXT), CAST(:g AS TEXT),"
      " CAST(:h AS BIGINT) FROM certificate_events"
      " WHERE TRUE ON CONFLICT (occasion) DO NOTHING",
      event.key, event.tenant, type, time, certificate, event.used_by,
      event.summary, id);
}

ExpiryProgress ReadProgress(const SqlRow& row) {
  const RowReader r(row);
  return {r.Text("occasion"), r.Time("done_until")};
}

void PutProgress(SqlStatements& sql, const ExpiryProgress& progress) {
  const long long until = ToColumn(progress.done_until);
  sql.Execute(
      "INSERT INTO expiry_progress (occasion, done_until) VALUES (:a, :b)"
      " ON CONFLICT (occasion) DO UPDATE SET done_until ="
      " excluded.done_until",
      progress.key, until);
}

PeerChain ReadPeerChain(const SqlRow& row) {
  const RowReader r(row);
  PeerChain out;
  out.store = r.Text("store");
  out.peer = r.Text("peer");
  for (const std::string& hex : std::vector<std::string>(
           absl::StrSplit(r.Text("chain"), ',', absl::SkipEmpty()))) {
    out.chain.push_back(FromHexColumn(hex));
  }
  out.seen_time = r.Time("seen_time");
  return out;
}

void PutPeerChain(SqlStatements& sql, const PeerChain& chain) {
  std::vector<std::string> hex;
  hex.reserve(chain.chain.size());
  for (const std::string& der : chain.chain) hex.push_back(ToHexColumn(der));
  const std::string text = absl::StrJoin(hex, ",");
  const long long seen = ToColumn(chain.seen_time);
  sql.Execute(
      "INSERT INTO peer_chains (store, peer, chain, seen_time)"
      " VALUES (:a, :b, :c, :d) ON CONFLICT (store, peer)"
      " DO UPDATE SET chain = excluded.chain,"
      " seen_time = excluded.seen_time",
      chain.store, chain.peer, text, seen);
}

FetchedList ReadFetchedHead(const SqlRow& row) {
  const RowReader r(row);
  FetchedList list;
  list.url = r.Text("url");
  list.sha256 = r.Text("sha256");
  list.fetch_time = r.Time("fetch_time");
  return list;
}

FetchedList ReadFetched(const SqlRow& row) {
  FetchedList list = ReadFetchedHead(row);
  list.der = RowReader(row).Octets("der");
  return list;
}

void PutFetched(SqlStatements& sql, const FetchedList& list) {
  const std::string der = ToHexColumn(list.der);
  const long long time = ToColumn(list.fetch_time);
  sql.Execute(
      "INSERT INTO fetched_lists (url, der, sha256, fetch_time)"
      " VALUES (:a, :b, :c, :d) ON CONFLICT (url) DO UPDATE SET"
      " der = excluded.der, sha256 = excluded.sha256,"
      " fetch_time = excluded.fetch_time",
      list.url, der, list.sha256, time);
}

PhoneCluster ReadCluster(const SqlRow& row) {
  const RowReader r(row);
  PhoneCluster c;
  c.tenant = r.Text("tenant");
  c.host = r.Text("host");
  c.mode = r.As<ClusterSecurityMode>("mode");
  c.sha512 = r.Number("sha512") != 0;
  c.sha512_models =
      absl::StrSplit(r.Text("sha512_models"), '\n', absl::SkipEmpty());
  c.from_configuration = r.Number("from_configuration") != 0;
  c.version = r.Number("version");
  return c;
}

ClusterNode ReadClusterNode(const SqlRow& row) {
  const RowReader r(row);
  return {.node = {.dns_name = r.Text("dns_name"),
                   .ip_address = r.Octets("ip_address"),
                   .certificate_der = r.Octets("certificate")},
          .sip_port = r.As<uint16_t>("sip_port"),
          .secured_sip_port = r.As<uint16_t>("secured_sip_port")};
}

absl::Status PutCluster(SqlStatements& sql, const PhoneCluster& cluster) {
  const auto mode = static_cast<long long>(cluster.mode);
  const long long sha512 = cluster.sha512;
  const std::string models = absl::StrJoin(cluster.sha512_models, "\n");
  const long long from_configuration = cluster.from_configuration;
  const long long version = cluster.version;
  const long long changed =
      version == 0
          ? sql.Execute(
                "INSERT INTO phone_clusters (tenant, host, mode, sha512,"
                " sha512_models, from_configuration, version)"
                " VALUES (:t, :h, :m, :s, :l, :f, 1)"
                " ON CONFLICT (tenant) DO NOTHING",
                cluster.tenant, cluster.host, mode, sha512, models,
                from_configuration)
          : sql.Execute(
                "UPDATE phone_clusters SET host = :h, mode = :m,"
                " sha512 = :s, sha512_models = :l,"
                " from_configuration = :f, version = version + 1"
                " WHERE tenant = :t AND version = :v",
                cluster.host, mode, sha512, models, from_configuration,
                cluster.tenant, version);
  if (changed != 1) return Conflict();
  sql.Execute("DELETE FROM phone_cluster_nodes WHERE tenant = :t",
              cluster.tenant);
  long long position = 0;
  for (const ClusterNode& node : cluster.call_managers) {
    const std::string ip = ToHexColumn(node.node.ip_address);
    const std::string certificate = ToHexColumn(node.node.certificate_der);
    const long long port = node.sip_port;
    const long long secured = node.secured_sip_port;
    sql.Execute(
        "INSERT INTO phone_cluster_nodes (tenant, position, dns_name,"
        " ip_address, certificate, sip_port, secured_sip_port)"
        " VALUES (:t, :p, :d, :i, :c, :s, :u)",
        cluster.tenant, position, node.node.dns_name, ip, certificate, port,
        secured);
    ++position;
  }
  return absl::OkStatus();
}

ListSigner ReadSigner(const SqlRow& row) {
  const RowReader r(row);
  return {.tenant = r.Text("tenant"),
          .id = r.Text("id"),
          .state = r.As<ListSignerState>("state"),
          .key_pem = r.Text("key_pem"),
          .certificate_der = r.Octets("certificate"),
          .create_time = r.Time("create_time")};
}

void InsertSigner(SqlStatements& sql, const ListSigner& signer) {
  const auto state = static_cast<long long>(signer.state);
  const std::string certificate = ToHexColumn(signer.certificate_der);
  const long long time = ToColumn(signer.create_time);
  sql.Execute(
      "INSERT INTO list_signers (tenant, id, state, key_pem, certificate,"
      " create_time) VALUES (:t, :i, :s, :k, :c, :m)"
      " ON CONFLICT (tenant, id) DO NOTHING",
      signer.tenant, signer.id, state, signer.key_pem, certificate, time);
}

absl::Status UpdateSigner(SqlStatements& sql, const ListSigner& signer) {
  const auto state = static_cast<long long>(signer.state);
  const std::string certificate = ToHexColumn(signer.certificate_der);
  const long long changed = sql.Execute(
      "UPDATE list_signers SET state = :s, key_pem = :k,"
      " certificate = :c WHERE tenant = :t AND id = :i",
      state, signer.key_pem, certificate, signer.tenant, signer.id);
  return changed == 1 ? absl::OkStatus() : Conflict();
}

Procedure ReadProcedure(const SqlRow& row) {
  const RowReader r(row);
  Procedure p;
  p.name = r.Text("name");
  p.tenant = r.Text("tenant");
  p.kind = r.As<ProcedureKind>("kind");
  p.state = r.As<ProcedureState>("state");
  p.blocked_reason = r.Text("blocked_reason");
  p.request_key = r.Text("request_key");
  p.create_time = r.Time("create_time");
  p.update_time = r.Time("update_time");
  p.version = r.Number("version");
  p.authority = r.Text("authority");
  p.automatic = r.Number("automatic") != 0;
  return p;
}

ProcedureStep ReadProcedureStep(const SqlRow& row) {
  const RowReader r(row);
  return {.title = r.Text("title"),
          .done = r.Number("done") != 0,
          .detail = r.Text("detail"),
          .done_time = r.Time("done_time")};
}

absl::Status PutProcedure(SqlStatements& sql, const Procedure& procedure) {
  const auto kind = static_cast<long long>(procedure.kind);
  const auto state = static_cast<long long>(procedure.state);
  const long long created = ToColumn(procedure.create_time);
  const long long updated = ToColumn(procedure.update_time);
  const long long version = procedure.version;
  const long long automatic = procedure.automatic;
  const std::string slot = SlotOf(procedure.kind, procedure.tenant);
  if (version == 0) {
    sql.Execute(
        "INSERT INTO procedures (name, tenant, kind, state, blocked_reason,"
        " request_key, create_time, update_time, version, authority,"
        " automatic, slot)"
        " VALUES (:n, :t, :k, :s, :b, :r, :c, :u, 1, :h, :a, :l)",
        procedure.name, procedure.tenant, kind, state, procedure.blocked_reason,
        procedure.request_key, created, updated, procedure.authority, automatic,
        slot);
  } else {
    const long long changed = sql.Execute(
        "UPDATE procedures SET state = :s, blocked_reason = :b,"
        " update_time = :u, automatic = :a, version = version + 1"
        " WHERE name = :n AND version = :v",
        state, procedure.blocked_reason, updated, automatic, procedure.name,
        version);
    if (changed != 1) return Conflict();
  }
  sql.Execute("DELETE FROM procedure_steps WHERE procedure_name = :n",
              procedure.name);
  long long position = 0;
  for (const ProcedureStep& step : procedure.steps) {
    const long long done = step.done;
    const long long time = ToColumn(step.done_time);
    sql.Execute(
        "INSERT INTO procedure_steps (procedure_name, position, title,"
        " done, detail, done_time) VALUES (:n, :p, :t, :d, :e, :m)",
        procedure.name, position, step.title, done, step.detail, time);
    ++position;
  }
  return absl::OkStatus();
}

AuditRecord ReadAuditRow(const SqlRow& row) {
  const RowReader r(row);
  return {.sequence = r.Number("sequence"),
          .time = r.Time("time"),
          .event = {.event = r.Text("event"),
                    .actor = r.Text("actor"),
                    .subject = r.Text("subject"),
                    .details = r.Text("details")},
          .previous_hash = r.Text("previous_hash"),
          .hash = r.Text("hash")};
}

void InsertAudit(SqlStatements& sql, const AuditRecord& record) {
  const long long sequence = record.sequence;
  const long long time = ToColumn(record.time);
  sql.Execute(
      "INSERT INTO audit (sequence, time, event, actor, subject, details,"
      " previous_hash, hash) VALUES (:a, :b, :c, :d, :e, :f, :g, :h)",
      sequence, time, record.event.event, record.event.actor,
      record.event.subject, record.event.details, record.previous_hash,
      record.hash);
}

}  // namespace sallyport::capf
