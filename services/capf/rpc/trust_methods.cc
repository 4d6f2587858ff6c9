#include "services/capf/rpc/trust_methods.h"

#include <cstdint>
#include <string_view>

#include "services/capf/rpc/list_page.h"
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
  SP_ASSIGN_OR_RETURN(const Page page,
                      ReadPage(request.parent(), request.page_size(),
                               request.page_token(), request.filter()));
  if (page.tenant.empty()) {
    return Invalid("NAME_INVALID", "trust stores are listed by tenant");
  }
  SP_ASSIGN_OR_RETURN(const int64_t version, ledger_.store().TrustVersion());
  for (const TrustStoreKind& kind : TrustStoreKinds()) {
    SP_ASSIGN_OR_RETURN(const auto trusted,
                        TrustedOf(TrustStoreName(page.tenant, kind.id)));
    *response.add_trust_stores() =
        StoreMessage(page.tenant, kind, trusted.size(), version);
  }
  return absl::OkStatus();
}

absl::Status TrustMethods::Create(
    const pb::CreateTrustedCertificateRequest& request,
    const std::string& actor, pb::TrustedCertificate& response) {
  SP_ASSIGN_OR_RETURN(const std::string store, CheckStore(request.parent()));
  const pb::TrustedCertificate& in = request.trusted_certificate();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      ReadCertificates(in.certificate()));
  TrustedCertificate like;
  like.origin = "import";
  like.tls_peer_subject = in.tls_peer_subject();
  like.tls_contexts.assign(in.tls_contexts().begin(), in.tls_contexts().end());
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
    response = ToProto(one);
    return absl::OkStatus();
  }
  return NotFound("TRUSTED_NOT_FOUND",
                  "no such certificate in this trust store");
}

absl::Status TrustMethods::List(
    const pb::ListTrustedCertificatesRequest& request,
    pb::ListTrustedCertificatesResponse& response) {
  SP_ASSIGN_OR_RETURN(const std::string store, CheckStore(request.parent()));
  SP_ASSIGN_OR_RETURN(const Page page,
                      ReadPage("tenants/-", request.page_size(),
                               request.page_token(), request.filter()));
  SP_ASSIGN_OR_RETURN(const auto trusted, TrustedOf(store));
  for (const TrustedCertificate& one : trusted) {
    if (one.sha256 <= page.after) continue;
    const int size = response.trusted_certificates_size();
    if (static_cast<size_t>(size) == page.limit) {
      const std::string last =
          std::string(response.trusted_certificates(size - 1)
                          .summary()
                          .sha256_thumbprint());
      response.set_next_page_token(PageToken(last));
      break;
    }
    *response.add_trusted_certificates() = ToProto(one);
  }
  return absl::OkStatus();
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

}  // namespace sallyport::capf
