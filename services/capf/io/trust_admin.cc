#include "services/capf/io/trust_admin.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/certificate_record.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

constexpr size_t kPage = 1000;

// Of "tenants/{tenant}/...".
std::string TenantOf(const std::string& name) {
  const size_t from = name.find('/') + 1;
  return name.substr(from, name.find('/', from) - from);
}

bool HasOwn(const std::vector<AuthorityGeneration>& all,
            const std::string& tenant) {
  return std::any_of(all.begin(), all.end(),
                     [&tenant](const AuthorityGeneration& one) {
                       return one.trusted() && one.tenant == tenant;
                     });
}

std::string Thumbprint(const std::string& der) {
  return HexEncode(Sha256(AsBytes(der)));
}

const TrustedCertificate* Find(const std::vector<TrustedCertificate>& all,
                               const std::string& store,
                               const std::string& sha256) {
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const TrustedCertificate& one) {
        return one.store == store && one.sha256 == sha256;
      });
  return it == all.end() ? nullptr : &*it;
}

// pki.md 9.2: issuer, serial and both thumbprints of what is imported.
std::string Describe(const TrustedCertificate& trusted) {
  std::string details =
      absl::StrCat("sha1=", HexEncode(Sha1(AsBytes(trusted.der))),
                   " sha256=", trusted.sha256, " origin=", trusted.origin);
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes(trusted.der));
  if (info.ok()) {
    absl::StrAppend(&details, " serial=", info->serial_hex, " issuer=\"",
                    info->issuer, "\"");
  }
  return details;
}

}  // namespace

std::string TrustStoreName(const std::string& tenant, std::string_view store) {
  return "tenants/" + tenant + "/trustStores/" + std::string(store);
}

absl::Status TrustAdmin::EnsureOwn(const std::string& tenant,
                                   const std::string& actor) {
  TrustedCertificate own;
  own.origin = "own";
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chains, OwnChains(tenant));
  for (const std::string_view store : {kCapfTrust, kCallManagerTrust}) {
    SP_RETURN_IF_ERROR(
        Add(TrustStoreName(tenant, store), chains, own, actor, false).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TrustAdmin::OwnChains(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      ledger_.store().ListAuthorities());
  const bool has_own = HasOwn(all, tenant);
  std::vector<std::string> out;
  if (!has_own) out = authority_.Chain();
  // A root vouches for every tenant's authority.
  const bool issuers_only =
      std::any_of(all.begin(), all.end(), [](const AuthorityGeneration& one) {
        return one.trusted() && !one.tenant.empty();
      });
  if (issuers_only && !out.empty()) out.resize(1);
  for (const AuthorityGeneration& one : all) {
    if (!one.trusted() || one.tenant != (has_own ? tenant : "")) continue;
    SP_ASSIGN_OR_RETURN(std::vector<std::string> chain,
                        CertificatesFromPem(one.chain_pem));
    if (issuers_only) chain.resize(1);
    for (const std::string& der : chain) {
      if (std::find(out.begin(), out.end(), der) == out.end()) {
        out.push_back(der);
      }
    }
  }
  return out;
}

absl::StatusOr<bool> TrustAdmin::IssuesFor(const std::string& tenant,
                                           const std::string& der) {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      ledger_.store().ListAuthorities());
  const bool has_own = HasOwn(all, tenant);
  for (const AuthorityGeneration& one : all) {
    if (!one.trusted() || one.tenant != (has_own ? tenant : "")) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                        CertificatesFromPem(one.chain_pem));
    if (chain[0] == der) return true;
  }
  return !has_own && authority_.IsOwn(der);
}

absl::Status TrustAdmin::RenewOwn(const std::string& actor) {
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  std::set<std::string> stores;
  TrustedCertificate own;
  own.origin = "own";
  for (const TrustedCertificate& one : all) {
    if (one.origin == own.origin) stores.insert(one.store);
  }
  for (const std::string& store : stores) {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chains,
                        OwnChains(TenantOf(store)));
    SP_RETURN_IF_ERROR(Add(store, chains, own, actor, false).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<StoreChange> TrustAdmin::Separation(const std::string& tenant,
                                                   const std::string& actor) {
  StoreChange change;
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      ledger_.store().ListAuthorities());
  if (!HasOwn(all, tenant)) return change;
  std::set<std::string> issuers;
  std::set<std::string> above;
  std::set<std::string> foreign;  // to this tenant, and not needed there
  for (const AuthorityGeneration& one : all) {
    if (one.chain_pem.empty()) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                        CertificatesFromPem(one.chain_pem));
    issuers.insert(chain[0]);
    above.insert(chain.begin() + 1, chain.end());
    if (one.tenant == tenant) continue;
    SP_ASSIGN_OR_RETURN(const bool needed, IsNeeded(one, tenant));
    if (!needed) foreign.insert(chain[0]);
  }
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      ledger_.store().ListTrusted());
  for (const TrustedCertificate& one : trusted) {
    if (one.origin != "own") continue;
    const bool is_above = above.contains(one.der) && !issuers.contains(one.der);
    const bool is_foreign =
        TenantOf(one.store) == tenant && foreign.contains(one.der);
    if (!is_above && !is_foreign) continue;
    change.audit.push_back({"TRUST_REMOVED", actor, one.Name(), Describe(one)});
    change.delete_trusted.push_back(one);
  }
  return change;
}

absl::StatusOr<bool> TrustAdmin::IsNeeded(const AuthorityGeneration& one,
                                          const std::string& tenant) {
  for (const bool lsc : {true, false}) {
    const LiveCertificates which{
        .authority = one.Name(),
        .unnamed = one.authority == authority_.id() && one.generation == 1,
        .lsc = lsc};
    std::string after;
    while (true) {
      SP_ASSIGN_OR_RETURN(
          const std::vector<CertificateRecord> page,
          ledger_.store().ListLive(which, ledger_.clock().Now(), after, kPage));
      for (const CertificateRecord& record : page) {
        // Signers of lists are trusted by the lists.
        if (record.tenant == tenant &&
            record.profile != ProfileId::kCtlSigner) {
          return true;
        }
      }
      if (page.size() < kPage) break;
      after = page.back().serial;
    }
  }
  return false;
}

absl::StatusOr<std::vector<TrustedCertificate>> TrustAdmin::Add(
    const std::string& store, const std::vector<std::string>& certificates,
    const TrustedCertificate& like, const std::string& actor,
    bool validate_only) {
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  std::vector<TrustedCertificate> result;
  StoreChange change;
  for (const std::string& der : certificates) {
    TrustedCertificate trusted = like;
    trusted.store = store;
    trusted.der = der;
    trusted.sha256 = Thumbprint(der);
    trusted.create_time = ledger_.clock().Now();
    if (const TrustedCertificate* there = Find(all, store, trusted.sha256)) {
      result.push_back(*there);
      continue;
    }
    const bool twice = Find(result, store, trusted.sha256) != nullptr;
    result.push_back(trusted);
    if (twice) continue;
    change.audit.push_back(
        {"TRUST_ADDED", actor, trusted.Name(), Describe(trusted)});
    change.insert_trusted.push_back(std::move(trusted));
  }
  if (!validate_only && !change.insert_trusted.empty()) {
    const absl::Status added = ledger_.Apply(change);
    if (ReasonOf(added) == "TRUSTED_EXISTS") {
      // Another replica has added one of them meanwhile.
      return Add(store, certificates, like, actor, validate_only);
    }
    SP_RETURN_IF_ERROR(added);
  }
  return result;
}

absl::Status TrustAdmin::Remember(const PeerChain& chain,
                                  const std::string& actor) {
  StoreChange change;
  change.put_peer_chains.push_back(chain);
  change.audit.push_back(
      {"PEER_SEEN", actor, chain.store, absl::StrCat("peer=", chain.peer)});
  return ledger_.Apply(change);
}

absl::StatusOr<std::vector<std::string>> TrustAdmin::DependentsOf(
    const std::string& store, const std::string& sha256) {
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  std::vector<std::string> with, without;
  for (const TrustedCertificate& one : all) {
    if (one.store != store) continue;
    with.push_back(one.der);
    if (one.sha256 != sha256) without.push_back(one.der);
  }
  SP_ASSIGN_OR_RETURN(const auto now, TrustAnchors::FromDer(with));
  SP_ASSIGN_OR_RETURN(const auto then, TrustAnchors::FromDer(without));
  SP_ASSIGN_OR_RETURN(const std::vector<PeerChain> peers,
                      ledger_.store().ListPeerChains(store));
  std::vector<std::string> out;
  for (const PeerChain& peer : peers) {
    const auto trusted = [&](const TrustAnchors& anchors) {
      return anchors
          .Verify(peer.chain, CertificatePurpose::kAny, ledger_.clock().Now())
          .ok();
    };
    if (trusted(*now) && !trusted(*then)) out.push_back(peer.peer);
  }
  return out;
}

absl::Status TrustAdmin::Remove(const std::string& store,
                                const std::string& sha256,
                                const std::string& actor, bool force,
                                bool validate_only) {
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> all,
                      ledger_.store().ListTrusted());
  const TrustedCertificate* there = Find(all, store, sha256);
  if (there == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "TRUSTED_NOT_FOUND",
                     "no such certificate in this trust store");
  }
  SP_ASSIGN_OR_RETURN(const bool own, IssuesFor(TenantOf(store), there->der));
  if (own && !force) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "OWN_AUTHORITY",
                     "what our own authority issued would lose trust");
  }
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> dependents,
                      DependentsOf(store, sha256));
  if (!dependents.empty() && !force) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "PEERS_LOSE_TRUST",
                     absl::StrCat("these would lose trust: ",
                                  absl::StrJoin(dependents, ", ")));
  }
  if (validate_only) return absl::OkStatus();
  StoreChange change;
  change.audit.push_back(
      {"TRUST_REMOVED", actor, there->Name(), Describe(*there)});
  change.delete_trusted.push_back(*there);
  return ledger_.Apply(change);
}

}  // namespace sallyport::capf
