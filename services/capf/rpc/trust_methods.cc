#include "services/capf/rpc/trust_methods.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status NotFound(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}

pb::TrustStore StoreMessage(const std::string& tenant,
                            const TrustStoreKind& kind, size_t count,
                            int64_t version) {
  pb::TrustStore out;
  out.set_name(TrustStoreName(tenant, kind.id));
  out.set_purpose(std::string(kind.purpose));
  if (!kind.used_by.empty()) out.add_used_by(std::string(kind.used_by));
  out.set_certificate_count(static_cast<uint32_t>(count));
  out.set_version(version);
  return out;
}

// What a TLS peer with this certificate is known by at the edges (RFC 5922
// section 7.1, IMP-38): its first DNS name, else its common name, else nothing
// but its whole subject.
std::string PeerSubjectOf(std::string_view der) {
  const auto info = ParseCertificate(AsBytes(der));
  if (!info.ok()) return "";
  const auto names = info->AltNames(SubjectAltName::Type::kDns);
  if (!names.empty()) return names[0];
  return info->common_names.empty() ? info->subject : info->common_names[0];
}

// IMP-36: subject and context are kept with a certificate by themselves; the
// context is the store, whose peers name it in the plan.
void FillSubject(const std::string& store, std::string_view der,
                 TrustedCertificate& like) {
  if (like.tls_peer_subject.empty()) like.tls_peer_subject = PeerSubjectOf(der);
  if (like.tls_contexts.empty()) {
    like.tls_contexts = {store.substr(store.rfind('/') + 1)};
  }
}

// The store of a name, which must be one of those that can be.
absl::StatusOr<std::string> CheckStore(const std::string& name) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(name, {"tenants", "trustStores"}));
  if (FindTrustStoreKind(ids[1]) == nullptr) {
    return NotFound("TRUST_STORE_NOT_FOUND",
                    "there is no trust store of that name");
  }
  return name;
}

}  // namespace

absl::StatusOr<std::vector<TrustedCertificate>> TrustMethods::TrustedOf(
    const std::string& store) {
  SP_ASSIGN_OR_RETURN(std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  std::erase_if(
      all, [&](const TrustedCertificate& one) { return one.store != store; });
  return all;
}

absl::Status TrustMethods::GetStore(const pb::GetTrustStoreRequest& request,
                                    pb::TrustStore& response) {
  SP_ASSIGN_OR_RETURN(const std::string name, CheckStore(request.name()));
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(name, {"tenants", "trustStores"}));
  SP_ASSIGN_OR_RETURN(const auto trusted, TrustedOf(name));
  SP_ASSIGN_OR_RETURN(const int64_t version, ledger_.store().TrustVersion());
  response = StoreMessage(ids[0], *FindTrustStoreKind(ids[1]), trusted.size(),
                          version);
  return absl::OkStatus();
}

absl::Status TrustMethods::ListStores(const pb::ListTrustStoresRequest& request,
                                      pb::ListTrustStoresResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "trust stores are listed by tenant");
  }
  SP_ASSIGN_OR_RETURN(const int64_t version, ledger_.store().TrustVersion());
  const std::vector<TrustStoreKind> kinds(TrustStoreKinds().begin(),
                                          TrustStoreKinds().end());
  const auto key = [](const TrustStoreKind& kind) {
    return std::string(kind.id);
  };
  return FillPage<pb::TrustStore>(
      page, request.filter(), ReadSorted(kinds, key), key,
      [&](const TrustStoreKind& kind) -> absl::StatusOr<pb::TrustStore> {
        SP_ASSIGN_OR_RETURN(const auto trusted,
                            TrustedOf(TrustStoreName(page.tenant, kind.id)));
        return StoreMessage(page.tenant, kind, trusted.size(), version);
      },
      response.mutable_trust_stores(), response.mutable_next_page_token());
}

absl::Status TrustMethods::Create(
    const pb::CreateTrustedCertificateRequest& request,
    const std::string& actor, pb::TrustedCertificate& response) {
  SP_ASSIGN_OR_RETURN(const std::string store, CheckStore(request.parent()));
  const pb::TrustedCertificate& in = request.trusted_certificate();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      ReadCertificates(in.certificate(), request.password()));
  TrustedCertificate like;
  like.origin = "import";
  like.tls_peer_subject = in.tls_peer_subject();
  like.tls_contexts.assign(in.tls_contexts().begin(), in.tls_contexts().end());
  FillSubject(store, certificates[0], like);
  SP_ASSIGN_OR_RETURN(
      const std::vector<TrustedCertificate> added,
      trust_.Add(store, certificates, like, actor, request.validate_only()));
  response = ToProto(added[0]);
  return absl::OkStatus();
}

absl::Status TrustMethods::Get(const pb::GetTrustedCertificateRequest& request,
                               pb::TrustedCertificate& response) {
  SP_ASSIGN_OR_RETURN(
      const std::vector<std::string> ids,
      ParseName(request.name(), {"tenants", "trustStores", "certificates"}));
  SP_ASSIGN_OR_RETURN(const auto trusted,
                      TrustedOf(TrustStoreName(ids[0], ids[1])));
  for (const TrustedCertificate& one : trusted) {
    if (one.sha256 != ids[2]) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> dependents,
                        trust_.DependentsOf(one.store, one.sha256));
    response = ToProto(one);
    for (const std::string& peer : dependents) {
      response.add_dependent_peers(peer);
    }
    return absl::OkStatus();
  }
  return NotFound("TRUSTED_NOT_FOUND",
                  "no such certificate in this trust store");
}

absl::Status TrustMethods::List(
    const pb::ListTrustedCertificatesRequest& request,
    pb::ListTrustedCertificatesResponse& response) {
  SP_ASSIGN_OR_RETURN(const std::string store, CheckStore(request.parent()));
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage("tenants/-", request.page_size(), request.page_token()));
  SP_ASSIGN_OR_RETURN(const auto trusted, TrustedOf(store));
  const auto key = [](const TrustedCertificate& one) { return one.sha256; };
  return FillPage<pb::TrustedCertificate>(
      page, request.filter(), ReadSorted(trusted, key), key,
      [](const TrustedCertificate& one) {
        return absl::StatusOr<pb::TrustedCertificate>(ToProto(one));
      },
      response.mutable_trusted_certificates(),
      response.mutable_next_page_token());
}

absl::Status TrustMethods::Delete(
    const pb::DeleteTrustedCertificateRequest& request,
    const std::string& actor) {
  SP_ASSIGN_OR_RETURN(
      const std::vector<std::string> ids,
      ParseName(request.name(), {"tenants", "trustStores", "certificates"}));
  const absl::Status status =
      trust_.Remove(TrustStoreName(ids[0], ids[1]), ids[2], actor,
                    request.force(), request.validate_only());
  if (absl::IsNotFound(status) && request.allow_missing()) {
    return absl::OkStatus();
  }
  return status;
}

absl::StatusOr<ProbeOptions> TrustMethods::ProbeFor(
    const pb::ImportPeerCertificateRequest& request) const {
  SP_RETURN_IF_ERROR(CheckStore(request.parent()).status());
  if (request.host().empty() || request.host().size() > 253 ||
      request.host().find('\0') != std::string::npos) {
    return Invalid("PEER_INVALID", "host is a name or an address");
  }
  if (request.port() == 0 || request.port() > 65535) {
    return Invalid("PEER_INVALID", "port is 1 to 65535");
  }
  ProbeOptions options;
  options.host = request.host();
  options.port = static_cast<uint16_t>(request.port());
  SP_ASSIGN_OR_RETURN(options.starttls, StartTlsByName(request.starttls()));
  options.allow_private = allow_private_peers_;
  return options;
}

absl::Status TrustMethods::Import(
    const pb::ImportPeerCertificateRequest& request, const ProbeReport& report,
    const std::string& actor, pb::ImportPeerCertificateResponse& response) {
  for (const ProbeStep& step : report.steps) {
    pb::ImportStep& out = *response.add_steps();
    out.set_step(step.step);
    out.set_succeeded(step.succeeded);
    out.set_detail(step.detail);
  }
  if (report.address.port() != 0) {
    response.mutable_address()->set_address(report.address.IpText());
    response.mutable_address()->set_port(report.address.port());
  }
  const std::string* confirmed = nullptr;
  for (const std::string& der : report.chain) {
    *response.add_chain() = Summarize(AsBytes(der));
    response.mutable_chain_pem()->append(CertificateToPem(AsBytes(der)));
    if (HexEncode(Sha256(AsBytes(der))) == request.confirm_sha256()) {
      confirmed = &der;
    }
  }
  if (request.confirm_sha256().empty() || !report.downloaded()) {
    return absl::OkStatus();
  }
  if (confirmed == nullptr) {
    // Another one than the operator saw: somebody may be in between.
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "PEER_CERTIFICATE_CHANGED",
                     "the peer does not show the confirmed certificate");
  }
  const std::string peer = absl::StrCat(request.host(), ":", request.port());
  TrustedCertificate like;
  like.origin = "peer " + peer;
  like.tls_peer_subject = request.tls_peer_subject();
  like.tls_contexts.assign(request.tls_contexts().begin(),
                           request.tls_contexts().end());
  // The peer itself, though an authority above it may be what is trusted.
  FillSubject(request.parent(), report.chain[0], like);
  SP_ASSIGN_OR_RETURN(
      const std::vector<TrustedCertificate> added,
      trust_.Add(request.parent(), {*confirmed}, like, actor, false));
  SP_RETURN_IF_ERROR(trust_.Remember({.store = request.parent(),
                                      .peer = peer,
                                      .chain = report.chain,
                                      .seen_time = ledger_.clock().Now()},
                                     actor));
  *response.mutable_trusted_certificate() = ToProto(added[0]);
  return absl::OkStatus();
}

}  // namespace sallyport::capf
