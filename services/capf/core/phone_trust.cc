#include "services/capf/core/phone_trust.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"

namespace sallyport::capf {
namespace {

std::string IdOf(const std::string& certificate_der) {
  return ToString(Sha256(AsBytes(certificate_der)));
}

bool Intersect(const CertificateSet& left, const CertificateSet& right) {
  const bool swap = left.size() > right.size();
  const CertificateSet& few = swap ? right : left;
  const CertificateSet& many = swap ? left : right;
  return std::any_of(few.begin(), few.end(), [&many](const std::string& id) {
    return many.contains(id);
  });
}

// What a phone holds after it took the list, or before.
struct HeldLists {
  const ListTrust* ctl = nullptr;
  const ListTrust* itl = nullptr;

  bool Any(CertificateSet ListTrust::*set, const CertificateSet& wanted) const {
    return (ctl != nullptr && Intersect(ctl->*set, wanted)) ||
           (itl != nullptr && Intersect(itl->*set, wanted));
  }
  bool Has(CertificateSet ListTrust::*set, const std::string& id) const {
    return (ctl != nullptr && (ctl->*set).contains(id)) ||
           (itl != nullptr && (itl->*set).contains(id));
  }
  // A list that asks for nothing to be verified any more.
  bool TakesAnything() const {
    return itl != nullptr && itl->tvs.empty() && itl->file_signers.empty();
  }
};

// Trusted by `lists`, or vouched for by a service that they trust.
bool Trusts(const HeldLists& lists, CertificateSet ListTrust::*set,
            const CertificateSet& presented, const ServedCertificates& served) {
  if (presented.empty() || lists.Any(set, presented)) return true;
  return lists.Any(&ListTrust::tvs, served.tvs) &&
         Intersect(served.vouched_for, presented);
}

}  // namespace

ListTrust TrustOf(const TrustList& list) {
  ListTrust out;
  for (const TrustListRecord& record : list.records) {
    if (record.certificate.empty()) continue;
    const std::string id = IdOf(record.certificate);
    switch (record.role) {
      case TrustListRole::kSast:
        out.signers.insert(id);
        break;
      case TrustListRole::kCcm:
        out.call_managers.insert(id);
        break;
      case TrustListRole::kCcmTftp:
        out.call_managers.insert(id);
        out.file_signers.insert(id);
        break;
      case TrustListRole::kTftp:
        out.file_signers.insert(id);
        break;
      case TrustListRole::kTvs:
        out.tvs.insert(id);
        break;
      case TrustListRole::kCapf:
      case TrustListRole::kAppServer:
        break;
    }
  }
  return out;
}

std::string_view ListVerdictName(ListVerdict verdict) {
  switch (verdict) {
    case ListVerdict::kAccepted:
      return "ACCEPTED";
    case ListVerdict::kDigestUnsupported:
      return "DIGEST_UNSUPPORTED";
    case ListVerdict::kSignerUnknown:
      return "SIGNER_UNKNOWN";
    case ListVerdict::kCallManagerUntrusted:
      return "CALL_MANAGER_UNTRUSTED";
    case ListVerdict::kConfigurationUntrusted:
      return "CONFIGURATION_UNTRUSTED";
  }
  return "";
}

ProposedList ProposalOf(const TrustList& list, bool is_ctl) {
  ProposedList out;
  out.is_ctl = is_ctl;
  out.digest = list.header.digest;
  if (const TrustListRecord* signer = list.Signer(); signer != nullptr) {
    out.signer = IdOf(signer->certificate);
  }
  out.trust = std::make_shared<const ListTrust>(TrustOf(list));
  return out;
}

ListVerdict WouldAccept(const PhoneTrustState& phone, const ProposedList& list,
                        const ServedCertificates& served) {
  if (list.digest == SignedFileDigest::kSha512 && !phone.ability.sha512) {
    return ListVerdict::kDigestUnsupported;
  }
  const HeldLists held = {phone.ctl.get(), phone.itl.get()};
  const bool first = held.ctl == nullptr && held.itl == nullptr;
  if (!first && !held.TakesAnything() &&
      !held.Has(&ListTrust::signers, list.signer)) {
    const bool vouched = held.Any(&ListTrust::tvs, served.tvs) &&
                         served.vouched_for.contains(list.signer);
    if (!vouched) return ListVerdict::kSignerUnknown;
  }

  HeldLists then = held;
  (list.is_ctl ? then.ctl : then.itl) = list.trust.get();
  if (phone.speaks_tls &&
      !Trusts(then, &ListTrust::call_managers, served.call_managers, served)) {
    return ListVerdict::kCallManagerUntrusted;
  }
  if (!then.TakesAnything() &&
      !Trusts(then, &ListTrust::file_signers, served.file_signers, served)) {
    return ListVerdict::kConfigurationUntrusted;
  }
  return ListVerdict::kAccepted;
}

TrustListSimulation SimulateTrustList(absl::Span<const PhoneTrustState> phones,
                                      const ProposedList& list,
                                      const ServedCertificates& served,
                                      size_t max_listed) {
  using State = std::tuple<const ListTrust*, const ListTrust*, bool, bool>;
  absl::flat_hash_map<State, ListVerdict> known;
  TrustListSimulation out;
  out.phones_evaluated = phones.size();
  for (const PhoneTrustState& phone : phones) {
    const State state = {phone.ctl.get(), phone.itl.get(), phone.speaks_tls,
                         phone.ability.sha512};
    const auto [at, added] = known.try_emplace(state, ListVerdict::kAccepted);
    if (added) at->second = WouldAccept(phone, list, served);
    if (at->second == ListVerdict::kAccepted) continue;
    ++out.locked_out_count;
    if (out.locked_out.size() < max_listed) {
      out.locked_out.push_back({phone.device, at->second});
    }
  }
  return out;
}

}  // namespace sallyport::capf
