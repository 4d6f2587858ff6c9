#include "services/capf/io/server_certificates.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_kind.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/host_name.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/renewal/renewal_schedule.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMostCandidates = 500;
constexpr uint8_t kSelfSignedPrefix = 0x7f;

bool IsServiceName(const std::string& text) {
  return !text.empty() && text.size() <= 40 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
             std::string::npos;
}

// From 0 to 1 by the certificate, so that every replica says the same.
double JitterOf(const std::string& der) {
  const Sha256Digest digest = Sha256(AsBytes(der));
  return (digest[0] * 256.0 + digest[1]) / 65535.0;
}

}  // namespace

absl::StatusOr<ServerCertificates::Candidates> ServerCertificates::Collect(
    const std::string& tenant, const std::string& base, const std::string& fqdn,
    absl::Span<const ServiceCertificate> in_use) {
  Candidates out;
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      ledger_.store().ListTrusted());
  std::vector<std::string> roots;
  for (const TrustedCertificate& one : trusted) {
    if (one.store == TrustStoreName(tenant, kCallManagerTrust)) {
      roots.push_back(one.der);
    }
  }
  SP_ASSIGN_OR_RETURN(const auto verifier, PathVerifier::Create(roots));
  const auto add =
      [&](const std::string& der, CertificateKind kind, bool revoked,
          const std::vector<std::string>& others = {}) -> absl::Status {
    SP_ASSIGN_OR_RETURN(const CertificateRef parsed,
                        ParseWholeCertificate(AsBytes(der)));
    CandidateCertificate one;
    one.sha256 = HexEncode(Sha256(AsBytes(der)));
    one.kind = kind;
    one.not_before = parsed->not_before;
    one.not_after = parsed->not_after;
    one.names_server = HoldsHostName(*parsed, fqdn);
    one.server_auth = parsed->AllowsUsage(kServerAuthUsage);
    one.has_private_key = true;
    one.revoked = revoked;
    PathQuery query;
    query.leaf = parsed;
    for (const std::string& other : others) {
      auto parsed_other = ParseWholeCertificate(AsBytes(other));
      if (parsed_other.ok()) query.others.push_back(*std::move(parsed_other));
    }
    // Its own dates are a reason of their own.
    query.now = parsed->not_before;
    const std::string reason =
        ReasonOf(verifier->Verify(query, PathRules()).status);
    one.reaches_trusted_root = reason.empty();
    const Issuer& issuer = authority_.issuer();
    one.expired_issuer = kind == CertificateKind::kPki && others.empty() &&
                         ledger_.clock().Now() > issuer.not_after;
    out.facts.push_back(std::move(one));
    out.der.push_back(der);
    return absl::OkStatus();
  };
  Page page{.tenant = tenant, .after = {}, .limit = 1000};
  while (out.der.size() < kMostCandidates) {
    SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> records,
                        ledger_.store().ListCertificates(page));
    for (const CertificateRecord& record : records) {
      if (record.profile != ProfileId::kSipServer || record.der.empty()) {
        continue;
      }
      SP_RETURN_IF_ERROR(add(record.der, CertificateKind::kPki,
                             record.state == CertificateState::kRevoked));
    }
    if (records.size() < page.limit) break;
    page.after = records.back().serial;
  }
  for (const ServiceCertificate& one : in_use) {
    if (std::find(out.der.begin(), out.der.end(), one.der) != out.der.end()) {
      continue;
    }
    SP_RETURN_IF_ERROR(
        add(one.der,
            ClassifyCertificate(one.der, one.others, options_.commercial.get()),
            false, one.others));
  }
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      ReadSmallFile(base + ".pem"));
  if (kept.has_value()) {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> own,
                        CertificatesFromPem(*kept));
    SP_RETURN_IF_ERROR(add(own[0], CertificateKind::kSelfSigned, false));
  }
  return out;
}

absl::StatusOr<std::string> ServerCertificates::MakeSelfSigned(
    const std::string& base, const std::string& fqdn) {
  const absl::Time now = ledger_.clock().Now();
  FileSignerOptions key_options;
  key_options.key_file = base + ".key";
  key_options.create = true;
  key_options.wrapping = wrapping_.Clone();
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key,
                      FileSigner::Open(key_options));
  const CertificateProfile& profile = ProfileFor(ProfileId::kSipServer);
  SP_ASSIGN_OR_RETURN(const Validity validity,
                      ChooseValidity(profile, options_.self_signed_lifetime,
                                     now, std::nullopt));
  const CertificateSpec spec{
      .profile = ProfileId::kSipServer,
      .serial = DrawSerial(kSelfSignedPrefix, random_),
      .subject = {.common_name = fqdn.substr(0, 64)},
      .names = {.dns_names = {fqdn}, .uris = {}, .ip_addresses = {}},
      .key = key->public_key(),
      .not_before = validity.not_before,
      .not_after = validity.not_after};
  SP_RETURN_IF_ERROR(CheckNames(profile, spec.subject, spec.names));
  SP_ASSIGN_OR_RETURN(const std::string tbs, BuildTbs(spec, std::nullopt));
  StoreChange change;
  change.audit.push_back({"SELF_SIGNED_MADE", "capf", fqdn,
                          absl::StrCat("serial=", SerialHex(spec.serial))});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  SP_ASSIGN_OR_RETURN(const std::string signature, key->Sign(AsBytes(tbs)));
  SP_ASSIGN_OR_RETURN(
      std::string der,
      AssembleCertificate(AsBytes(tbs),
                          SignatureAlgorithmFor(key->public_key().kind()),
                          AsBytes(signature)));
  SP_RETURN_IF_ERROR(
      ReplaceDurableFile(base + ".pem", CertificateToPem(AsBytes(der))));
  return der;
}

absl::StatusOr<ExplainedChoice> ServerCertificates::Choose(
    const std::string& tenant, const std::string& service,
    const std::string& fqdn, absl::Span<const ServiceCertificate> in_use) {
  if (!IsServiceName(service) || !IsDnsName(fqdn)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SERVER_INVALID",
                     "service is a name like signaling_edge, fqdn a host name "
                     "in lower case");
  }
  const std::string base = absl::StrCat(options_.folder, "/server_", tenant,
                                        "_", service, "_", fqdn);
  SP_ASSIGN_OR_RETURN(Candidates candidates,
                      Collect(tenant, base, fqdn, in_use));
  const absl::Time now = ledger_.clock().Now();
  CertificateChoice choice = ChooseCertificate(candidates.facts, now);
  if (!choice.chosen.has_value()) {
    SP_RETURN_IF_ERROR(MakeSelfSigned(base, fqdn).status());
    SP_ASSIGN_OR_RETURN(candidates, Collect(tenant, base, fqdn, in_use));
    choice = ChooseCertificate(candidates.facts, now);
  }
  ExplainedChoice out;
  for (const RankedCandidate& ranked : choice.ranking) {
    const bool chosen = choice.chosen == ranked.index;
    const std::string& der = candidates.der[ranked.index];
    const CandidateCertificate& facts = candidates.facts[ranked.index];
    out.candidates.push_back({der, chosen, ChoiceVerdictName(ranked.verdict),
                              ChoiceExplanation(ranked.verdict), facts.kind});
    if (!chosen) continue;
    out.chosen_der = der;
    out.self_signed_fallback = facts.kind == CertificateKind::kSelfSigned;
    out.renew_time =
        RenewalTime(facts.not_before, facts.not_after, JitterOf(der));
  }
  return out;
}

}  // namespace sallyport::capf
