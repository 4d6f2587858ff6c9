#include "services/capf/core/foreign_list.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include <algorithm>
#include <map>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/http/http_url.h"
#include "services/common/pki/signed_data.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxUrls = 4;

absl::Status Denied(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, message);
}

absl::Status Not(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

std::vector<std::string> UrlsOf(const std::vector<DistributionPoint>& points) {
  std::vector<std::string> urls;
  for (const DistributionPoint& point : points) {
    for (const GeneralName& name : point.full_name) {
      if (name.type != GeneralName::Type::kUri || urls.size() >= kMaxUrls) {
        continue;
      }
      const std::optional<HttpUrl> url = ParseHttpUrl(name.value);
      if (url.has_value() && !url->tls) urls.push_back(name.value);
    }
  }
  return urls;
}

// Numbers without leading zeros.
bool IsLess(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool HasSigned(const ParsedCertificate& signer, const ParsedCrl& list) {
  if (signer.key_usage.has_value() && (*signer.key_usage & kCrlSign) == 0) {
    return false;
  }
  const SignatureRules rules;
  const auto key = ReadVerifyKey(AsBytes(signer.spki), rules);
  return key.ok() &&
         VerifySignedData(AsBytes(list.signature_algorithm), AsBytes(list.tbs),
                          AsBytes(list.signature), key->get(), rules)
             .ok();
}

// An entry by its key.
struct Entry {
  std::string serial;  // without leading zeros
  std::string_view issuer_key;
};

std::optional<Entry> EntryOf(std::string_view key) {
  const size_t colon = key.find(':');
  size_t size = 0;
  if (colon == std::string_view::npos ||
      !absl::SimpleAtoi(AbslView(key.substr(0, colon)), &size) ||
      key.size() < colon + 1 + size) {
    return std::nullopt;
  }
  std::string_view serial = key.substr(colon + 1, size);
  serial.remove_prefix(std::min(serial.find_first_not_of('\0'), serial.size()));
  return Entry{std::string(serial), key.substr(colon + 1 + size)};
}

bool HasIssued(const ParsedCertificate& issuer,
               const ParsedCertificate& certificate) {
  if (!issuer.is_ca || issuer.subject_key != certificate.issuer_key) {
    return false;
  }
  const SignatureRules rules;
  const auto key = ReadVerifyKey(AsBytes(issuer.spki), rules);
  return key.ok() &&
         VerifySignedData(AsBytes(certificate.signature_algorithm),
                          AsBytes(certificate.tbs),
                          AsBytes(certificate.signature), key->get(), rules)
             .ok();
}

// Those that `one` leads to, with itself.
std::set<const ListAuthority*> Above(
    const ListAuthority& one, absl::Span<const ListAuthority> authorities) {
  std::set<const ListAuthority*> found = {&one};
  std::vector<const ListAuthority*> to_do = {&one};
  while (!to_do.empty()) {
    const ListAuthority& child = *to_do.back();
    to_do.pop_back();
    for (const ListAuthority& other : authorities) {
      if (found.contains(&other) ||
          !HasIssued(*other.certificate, *child.certificate)) {
        continue;
      }
      found.insert(&other);
      to_do.push_back(&other);
    }
  }
  return found;
}

// Whether all tenants of `one` trust `by` too.
bool TrustedWherever(const ListAuthority& by, const ListAuthority& one) {
  return std::includes(by.tenants.begin(), by.tenants.end(),
                       one.tenants.begin(), one.tenants.end());
}

}  // namespace

std::vector<std::string> ListUrlsOf(const ParsedCertificate& certificate) {
  std::vector<std::string> urls = UrlsOf(certificate.distribution_points);
  for (std::string& url : UrlsOf(certificate.freshest_points)) {
    urls.push_back(std::move(url));
  }
  return urls;
}

std::vector<std::string> DeltaUrlsOf(const ParsedCrl& list) {
  return UrlsOf(list.freshest_points);
}

absl::StatusOr<std::shared_ptr<const ParsedCrl>> ReadFetchedList(
    std::string_view content) {
  if (content.substr(0, 5) != "-----") return ParseWholeCrl(AsBytes(content));
  const bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;
  if (!bio || !PEM_read_bio(bio.get(), &name, &header, &data, &size)) {
    ERR_clear_error();
    return MakeError(absl::StatusCode::kInvalidArgument, "CRL_MALFORMED",
                     "the answer is no list");
  }
  const bssl::UniquePtr<char> name_owner(name);
  const bssl::UniquePtr<char> header_owner(header);
  const bssl::UniquePtr<uint8_t> data_owner(data);
  return ParseWholeCrl({data, static_cast<size_t>(size)});
}

absl::StatusOr<const ListAuthority*> SignerOfList(
    const ParsedCrl& list, absl::Span<const ListAuthority> authorities) {
  bool known = false;
  for (const ListAuthority& one : authorities) {
    if (one.certificate->subject_key != list.issuer_key) continue;
    known = true;
    if (HasSigned(*one.certificate, list)) return &one;
  }
  if (known) {
    return Denied("CRL_SIGNATURE_INVALID",
                  "the list is not signed by the authority of its name");
  }
  return Denied("CRL_ISSUER_UNKNOWN",
                "nobody trusts an authority of the list's name");
}

absl::Status CheckReplaces(const ParsedCrl& list, const ParsedCrl* held,
                           absl::Time now) {
  if (list.this_update > now + absl::Minutes(5)) {
    return Not("CRL_NOT_YET_VALID", "the list is of the future");
  }
  if (!list.next_update.has_value() || *list.next_update <= now) {
    return Not("CRL_EXPIRED", "the list is past its next update, or has none");
  }
  if (held == nullptr) return absl::OkStatus();
  if (list.this_update < held->this_update) {
    return Not("CRL_OLDER", "the list is older than the one at hand");
  }
  const bool same = list.issuer_key == held->issuer_key &&
                    list.point_der == held->point_der &&
                    list.base.has_value() == held->base.has_value();
  if (!same && held->next_update.has_value() && *held->next_update > now) {
    return Not("CRL_OF_ANOTHER_KIND",
               "the list has another issuer or scope, or is no complete one, "
               "and the one at hand is in force");
  }
  return absl::OkStatus();
}

const ParsedCrl* NewestDelta(
    const ParsedCrl& base, const ListAuthority& signer,
    absl::Span<const std::shared_ptr<const ParsedCrl>> lists) {
  const ParsedCrl* newest = nullptr;
  for (const std::shared_ptr<const ParsedCrl>& one : lists) {
    // Made since a list that was there no later than `base`, and after it.
    if (!one->base.has_value() || one->unknown_critical_extension ||
        one->issuer_key != base.issuer_key ||
        one->point_der != base.point_der || IsLess(base.number, *one->base) ||
        !IsLess(base.number, one->number)) {
      continue;
    }
    if (newest != nullptr && !IsLess(newest->number, one->number)) continue;
    if (HasSigned(*signer.certificate, *one)) newest = one.get();
  }
  return newest;
}

std::vector<const ListAuthority*> IssuersOfIndirect(
    const ParsedCrl& list, const ListAuthority& signer,
    absl::Span<const ListAuthority> authorities) {
  std::vector<const ListAuthority*> out;
  if (!list.point.has_value() || !list.point->indirect) return out;
  const std::set<const ListAuthority*> roots = Above(signer, authorities);
  std::set<std::string_view> refused;
  for (const ListAuthority& one : authorities) {
    const std::string& key = one.certificate->subject_key;
    if (!one.certificate->is_ca || key == list.issuer_key) continue;
    const std::set<const ListAuthority*> above = Above(one, authorities);
    const bool common = std::any_of(
        above.begin(), above.end(),
        [&](const ListAuthority* at) { return roots.contains(at); });
    // Consumers know it by its name, so all of that name count.
    if (!TrustedWherever(signer, one)) {
      refused.insert(key);
    } else if (common) {
      out.push_back(&one);
    }
  }
  out.erase(
      std::remove_if(out.begin(), out.end(),
                     [&](const ListAuthority* one) {
                       return refused.contains(one->certificate->subject_key);
                     }),
      out.end());
  return out;
}

absl::StatusOr<std::vector<RevokedSerial>> SerialsToTell(
    const ParsedCrl& list, const ParsedCrl* delta, const ListAuthority& signer,
    absl::Span<const ListAuthority> authorities, size_t limit) {
  if (list.base.has_value()) {
    return Not("CRL_BASE_MISSING", "a delta list means nothing alone");
  }
  if (list.unknown_critical_extension) {
    return Not("CRL_PARTIAL", "the list has an extension that is not known");
  }
  for (const ListAuthority& other : authorities) {
    if (other.certificate->subject_key != list.issuer_key ||
        other.certificate->spki == signer.certificate->spki) {
      continue;
    }
    if (!TrustedWherever(signer, other)) {
      return Not("CRL_ISSUER_AMBIGUOUS",
                 "a tenant trusts another authority of the same name");
    }
  }
  if (list.entries.size() + (delta == nullptr ? 0 : delta->entries.size()) >
      limit) {
    return Not("CRL_TOO_LONG", "the list has too many entries to tell them");
  }
  // As certificates spell their issuers' names.
  std::map<std::string_view, std::string_view> others;
  for (const ListAuthority* const one :
       IssuersOfIndirect(list, signer, authorities)) {
    others.emplace(one->certificate->subject_key,
                   one->certificate->subject_der);
  }
  std::vector<RevokedSerial> out;
  out.reserve(list.entries.size());
  bool untold = false;
  const auto tell = [&](const std::string& key, int reason) {
    if (reason == kReasonRemoveFromCrl) return;
    std::optional<Entry> entry = EntryOf(key);
    if (!entry.has_value()) return;
    RevokedSerial one = {.issuer_der = signer.certificate->subject_der,
                         .serial = std::move(entry->serial),
                         .revoke_time = absl::UnixEpoch()};
    if (entry->issuer_key != list.issuer_key) {
      const auto issuer = others.find(entry->issuer_key);
      if (issuer == others.end()) {
        untold = true;
        return;
      }
      one.issuer_der = std::string(issuer->second);
      one.crl_issuer_der = list.issuer_der;
    }
    out.push_back(std::move(one));
  };
  for (const auto& [key, reason] : list.entries) {
    // The delta list's word on it is the last.
    if (delta == nullptr || !delta->entries.contains(key)) tell(key, reason);
  }
  if (delta != nullptr) {
    for (const auto& [key, reason] : delta->entries) tell(key, reason);
  }
  if (out.empty() && untold) {
    return Not("CRL_PARTIAL",
               "the list is about certificates of issuers that nobody trusts "
               "beside its own");
  }
  return out;
}

RevocationCoverage CoverageOf(const ParsedCrl& list) {
  RevocationCoverage out;
  const absl::Time until = list.next_update.value_or(absl::InfinitePast());
  if (list.base.has_value() || list.unknown_critical_extension) return out;
  if (!list.point.has_value()) return {until, until};
  const IssuingDistributionPoint& point = *list.point;
  // One of several lists, for all that is known.
  if (point.has_reasons || point.only_attributes || !point.full_name.empty() ||
      !point.relative_name.empty()) {
    return out;
  }
  if (!point.only_ca) out.leaf_until = until;
  if (!point.only_user) out.authority_until = until;
  return out;
}

RevocationCoverage IndirectCoverageOf(const ParsedCrl& list,
                                      const ListAuthority& signer) {
  if (!list.point.has_value() || !list.point->indirect) return {};
  RevocationCoverage out = CoverageOf(list);
  out.leaf_until = std::min(out.leaf_until, signer.certificate->not_after);
  out.authority_until =
      std::min(out.authority_until, signer.certificate->not_after);
  return out;
}

}  // namespace sallyport::capf
