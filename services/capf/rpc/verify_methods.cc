#include "services/capf/rpc/verify_methods.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/host_name.h"
#include "services/common/pki/known_peers.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr int kMaxChain = 10;
constexpr int kMaxLists = 16;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status NotFound() {
  return MakeError(absl::StatusCode::kNotFound, "CERTIFICATE_NOT_FOUND",
                   "there is no such certificate");
}

absl::StatusOr<RequiredUsage> UsageOf(
    const pb::VerifyCertificateRequest& request) {
  RequiredUsage usage;
  if (request.purpose() == "serverAuth" || request.purpose().empty()) {
    usage.server_auth = true;
  }
  if (request.purpose() == "clientAuth" || request.purpose().empty()) {
    usage.client_auth = true;
  }
  if (request.purpose() == "sipDomain") {
    usage = {.server_auth = true, .client_auth = true, .or_sip_domain = true};
  }
  if (!usage.server_auth && !usage.client_auth) {
    return Invalid("PURPOSE_INVALID",
                   "purpose is serverAuth, clientAuth or sipDomain");
  }
  if (!request.vendor().empty() || !request.model().empty()) {
    usage.named = true;
    usage.server_auth = true;
    usage.client_auth =
        FindKnownPeer(request.vendor(), request.model()).wants_client_auth;
  }
  return usage;
}

// Serial and issuer of every certificate that our own authority revoked.
std::set<std::string> RevokedKeys(
    const std::vector<CertificateRecord>& records) {
  std::set<std::string> keys;
  for (const CertificateRecord& record : records) {
    const auto parsed = ParseWholeCertificate(AsBytes(record.der));
    if (parsed.ok()) {
      keys.insert(RevocationKey((*parsed)->issuer_key, (*parsed)->serial));
    }
  }
  return keys;
}

void Explain(const PathResult& result, pb::VerifyCertificateResponse& out) {
  out.set_accepted(result.status.ok());
  for (const CertificateRef& member : result.path) {
    *out.add_path() = Summarize(AsBytes(member->der));
  }
  if (result.status.ok()) {
    out.set_explanation("the certificate is trusted");
    return;
  }
  out.set_reason(std::string(ReasonOf(result.status)));
  out.set_fault_index(static_cast<int>(result.at_fault));
  std::string who;
  if (result.at_fault < result.path.size()) {
    who = Summarize(AsBytes(result.path[result.at_fault]->der)).subject();
  }
  out.set_explanation(absl::StrFormat("%s: %s", result.status.message(), who));
}

unsigned NameHash(const std::string& der) {
  const uint8_t* at = AsBytes(der).data();
  const bssl::UniquePtr<X509> x509(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  return x509 == nullptr ? 0u
                         : static_cast<unsigned>(X509_NAME_hash(
                               X509_get_subject_name(x509.get())));
}

absl::StatusOr<std::string> Pkcs7Of(
    const std::vector<std::string>& certificates) {
  const bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> stack(
      sk_CRYPTO_BUFFER_new_null());
  for (const std::string& der : certificates) {
    bssl::UniquePtr<CRYPTO_BUFFER> buffer(
        CRYPTO_BUFFER_new(AsBytes(der).data(), der.size(), nullptr));
    bssl::PushToStack(stack.get(), std::move(buffer));
  }
  bssl::ScopedCBB cbb;
  uint8_t* octets = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), 2048) ||
      !PKCS7_bundle_raw_certificates(cbb.get(), stack.get()) ||
      !CBB_finish(cbb.get(), &octets, &size)) {
    return absl::ResourceExhaustedError("PKCS7_bundle_raw_certificates");
  }
  std::string out = ToString({octets, size});
  OPENSSL_free(octets);
  return out;
}

}  // namespace

absl::Status VerifyMethods::Verify(const pb::VerifyCertificateRequest& request,
                                   pb::VerifyCertificateResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const std::vector<std::string> ids,
      ParseName(request.trust_store(), {"tenants", "trustStores"}));
  if (FindTrustStoreKind(ids[1]) == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "TRUST_STORE_NOT_FOUND",
                     "there is no trust store of that name");
  }
  if (request.chain_size() == 0 || request.chain_size() > kMaxChain) {
    return Invalid("CHAIN_INVALID", "chain is 1 to 10 certificates");
  }
  if (request.revocation_lists_size() > kMaxLists) {
    return Invalid("CRL_MALFORMED", "at most 16 revocation lists");
  }
  PathQuery query;
  PathRules rules;
  SP_ASSIGN_OR_RETURN(rules.usage, UsageOf(request));
  rules.strict_form = request.strict_form();
  rules.revocation = options_.hard_stores.contains(ids[1])
                         ? RevocationRule::kHard
                         : RevocationRule::kSoft;
  query.now = request.has_verify_time()
                  ? ::sallyport::FromProto(request.verify_time())
                  : ledger_.clock().Now();
  for (const std::string& der : request.revocation_lists()) {
    SP_ASSIGN_OR_RETURN(std::shared_ptr<const ParsedCrl> list,
                        ParseWholeCrl(AsBytes(der)));
    query.lists.push_back(std::move(list));
  }
  for (std::shared_ptr<const ParsedCrl>& list : fetcher_.lists()) {
    query.lists.push_back(std::move(list));
  }
  for (CertificateAuthority* const authority : authorities_.All()) {
    SP_ASSIGN_OR_RETURN(const std::vector<SignedRevocationList> own,
                        authority->RevocationListsNow(options_.crl_lifetime));
    for (const SignedRevocationList& one : own) {
      SP_ASSIGN_OR_RETURN(std::shared_ptr<const ParsedCrl> list,
                          ParseWholeCrl(AsBytes(one.der)));
      query.lists.push_back(std::move(list));
    }
  }
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> revoked,
                      ledger_.store().ListRevoked(query.now));
  query.revoked = [keys = RevokedKeys(revoked)](const ParsedCertificate& one) {
    return keys.contains(RevocationKey(one.issuer_key, one.serial));
  };

  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  std::vector<std::string> anchors;
  for (const TrustedCertificate& one : all) {
    if (one.store == request.trust_store()) anchors.push_back(one.der);
  }
  SP_ASSIGN_OR_RETURN(const auto verifier, PathVerifier::Create(anchors));
  PathResult result;
  for (const std::string& der : request.chain()) {
    absl::StatusOr<CertificateRef> one = ParseWholeCertificate(AsBytes(der));
    if (!one.ok()) {
      result.status = one.status();
      result.at_fault = query.leaf == nullptr ? 0 : 1 + query.others.size();
      Explain(result, response);
      return absl::OkStatus();
    }
    if (query.leaf == nullptr) {
      query.leaf = *std::move(one);
    } else {
      query.others.push_back(*std::move(one));
    }
  }
  result = verifier->Verify(query, rules);
  if (result.status.ok() && !request.expected_name().empty() &&
      !HoldsHostName(*query.leaf, request.expected_name())) {
    result.status =
        MakeError(absl::StatusCode::kUnauthenticated, "NAME_MISMATCH",
                  "the certificate does not hold this name");
    result.at_fault = 0;
  }
  Explain(result, response);
  return absl::OkStatus();
}

absl::StatusOr<VerifyMethods::Exported> VerifyMethods::Find(
    const std::string& name) {
  Exported out;
  if (const auto ids = ParseName(name, {"certificateAuthorities"}); ids.ok()) {
    SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                        authorities_.Find((*ids)[0]));
    out.der = authority->issuer().certificate_der;
    return out;
  }
  if (const auto ids = ParseName(name, {"tenants", "certificates"}); ids.ok()) {
    SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> record,
                        ledger_.store().GetCertificate((*ids)[1]));
    if (!record.has_value() || record->tenant != (*ids)[0] ||
        record->der.empty()) {
      return NotFound();
    }
    out.der = record->der;
    out.chain = {authorities_.Default().issuer().certificate_der};
    SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                        authorities_.Generations());
    for (const AuthorityGeneration& one : all) {
      if (one.Name() != record->authority || one.chain_pem.empty()) continue;
      SP_ASSIGN_OR_RETURN(std::vector<std::string> chain,
                          CertificatesFromPem(one.chain_pem));
      out.chain = {std::move(chain[0])};
    }
    return out;
  }
  SP_ASSIGN_OR_RETURN(
      const std::vector<std::string> ids,
      ParseName(name, {"tenants", "trustStores", "certificates"}));
  const std::string store = TrustStoreName(ids[0], ids[1]);
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  for (const TrustedCertificate& one : all) {
    if (one.store == store && one.sha256 == ids[2]) out.der = one.der;
  }
  if (out.der.empty()) return NotFound();
  for (const TrustedCertificate& one : all) {
    if (one.store == store && one.sha256 < ids[2] &&
        NameHash(one.der) == NameHash(out.der)) {
      ++out.earlier;
    }
  }
  return out;
}

absl::Status VerifyMethods::Export(const pb::ExportCertificateRequest& request,
                                   pb::ExportCertificateResponse& response) {
  SP_ASSIGN_OR_RETURN(const Exported found, Find(request.name()));
  std::vector<std::string> certificates = {found.der};
  if (request.include_chain()) {
    certificates.insert(certificates.end(), found.chain.begin(),
                        found.chain.end());
  }
  std::string pem;
  for (const std::string& der : certificates) {
    pem += CertificateToPem(AsBytes(der));
  }
  const std::string base = request.name().substr(request.name().rfind('/') + 1);
  switch (request.format()) {
    case pb::EXPORT_FORMAT_PEM:
      response.set_file_name(base + ".pem");
      response.set_content(pem);
      return absl::OkStatus();
    case pb::EXPORT_FORMAT_DER:
      response.set_file_name(base + ".der");
      response.set_content(found.der);
      return absl::OkStatus();
    case pb::EXPORT_FORMAT_HASHED_PEM:
      // CUC-22: "<hash>.0"; the number counts those of the same name.
      response.set_file_name(
          absl::StrFormat("%08x.%d", NameHash(found.der), found.earlier));
      response.set_content(CertificateToPem(AsBytes(found.der)));
      return absl::OkStatus();
    case pb::EXPORT_FORMAT_PKCS7: {
      SP_ASSIGN_OR_RETURN(std::string bundle, Pkcs7Of(certificates));
      response.set_file_name(base + ".p7b");
      response.set_content(std::move(bundle));
      return absl::OkStatus();
    }
    default:
      return Invalid("FORMAT_INVALID", "the form is not said");
  }
}

}  // namespace sallyport::capf
