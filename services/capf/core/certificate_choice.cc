#include "services/capf/core/certificate_choice.h"

#include <algorithm>
#include <tuple>

namespace sallyport::capf {
namespace {

// Why it cannot be used at all; kChosen: it can.
ChoiceVerdict Fitness(const CandidateCertificate& candidate, absl::Time now) {
  if (!candidate.has_private_key) return ChoiceVerdict::kNoPrivateKey;
  if (candidate.revoked) return ChoiceVerdict::kRevoked;
  if (now > candidate.not_after) return ChoiceVerdict::kExpired;
  if (now < candidate.not_before) return ChoiceVerdict::kNotYetValid;
  if (candidate.expired_issuer) return ChoiceVerdict::kIssuerExpired;
  if (!candidate.names_server) return ChoiceVerdict::kNameMismatch;
  if (!candidate.server_auth) return ChoiceVerdict::kUsageMismatch;
  // A self-signed one is its own root: whoever meets it trusts it by import
  // (UM-31), so our store has no say.
  if (candidate.kind != CertificateKind::kSelfSigned &&
      !candidate.reaches_trusted_root) {
    return ChoiceVerdict::kRootNotTrusted;
  }
  return ChoiceVerdict::kChosen;
}

}  // namespace

std::string_view ChoiceVerdictName(ChoiceVerdict verdict) {
  switch (verdict) {
    case ChoiceVerdict::kChosen:
      return "CHOSEN";
    case ChoiceVerdict::kNoPrivateKey:
      return "NO_PRIVATE_KEY";
    case ChoiceVerdict::kRevoked:
      return "REVOKED";
    case ChoiceVerdict::kExpired:
      return "EXPIRED";
    case ChoiceVerdict::kNotYetValid:
      return "NOT_YET_VALID";
    case ChoiceVerdict::kIssuerExpired:
      return "ISSUER_EXPIRED";
    case ChoiceVerdict::kNameMismatch:
      return "NAME_MISMATCH";
    case ChoiceVerdict::kUsageMismatch:
      return "USAGE_MISMATCH";
    case ChoiceVerdict::kRootNotTrusted:
      return "ROOT_NOT_TRUSTED";
    case ChoiceVerdict::kSelfSignedComesLater:
      return "SELF_SIGNED_COMES_LATER";
    case ChoiceVerdict::kExpiresSooner:
      return "EXPIRES_SOONER";
  }
  return "";
}

std::string_view ChoiceExplanation(ChoiceVerdict verdict) {
  switch (verdict) {
    case ChoiceVerdict::kChosen:
      return "it is shown";
    case ChoiceVerdict::kNoPrivateKey:
      return "its private key is not here";
    case ChoiceVerdict::kRevoked:
      return "it or one of its issuers is revoked";
    case ChoiceVerdict::kExpired:
      return "it has expired";
    case ChoiceVerdict::kNotYetValid:
      return "it is not valid yet";
    case ChoiceVerdict::kIssuerExpired:
      return "one of its issuers is out of its time";
    case ChoiceVerdict::kNameMismatch:
      return "it does not name this host";
    case ChoiceVerdict::kUsageMismatch:
      return "its extended key usage does not allow server authentication";
    case ChoiceVerdict::kRootNotTrusted:
      return "its chain does not reach a root in the trusted-root store";
    case ChoiceVerdict::kSelfSignedComesLater:
      return "it is self-signed, and one of an authority is valid";
    case ChoiceVerdict::kExpiresSooner:
      return "another of its kind is valid for longer";
  }
  return "";
}

CertificateChoice ChooseCertificate(
    absl::Span<const CandidateCertificate> candidates, absl::Time now) {
  CertificateChoice out;
  for (size_t i = 0; i < candidates.size(); ++i) {
    out.ranking.push_back({i, Fitness(candidates[i], now)});
  }
  const auto rank = [&candidates](const RankedCandidate& ranked) {
    const CandidateCertificate& c = candidates[ranked.index];
    return std::make_tuple(
        ranked.verdict != ChoiceVerdict::kChosen,
        c.kind == CertificateKind::kSelfSigned, -absl::ToUnixNanos(c.not_after),
        -absl::ToUnixNanos(c.not_before), std::string_view(c.sha256));
  };
  std::stable_sort(out.ranking.begin(), out.ranking.end(),
                   [&rank](const auto& left, const auto& right) {
                     return rank(left) < rank(right);
                   });
  if (out.ranking.empty() || out.ranking[0].verdict != ChoiceVerdict::kChosen) {
    return out;
  }
  out.chosen = out.ranking[0].index;
  const bool by_authority =
      candidates[*out.chosen].kind != CertificateKind::kSelfSigned;
  for (size_t i = 1; i < out.ranking.size(); ++i) {
    RankedCandidate& loser = out.ranking[i];
    if (loser.verdict != ChoiceVerdict::kChosen) continue;
    const bool self_signed =
        candidates[loser.index].kind == CertificateKind::kSelfSigned;
    loser.verdict = by_authority && self_signed
                        ? ChoiceVerdict::kSelfSignedComesLater
                        : ChoiceVerdict::kExpiresSooner;
  }
  return out;
}

}  // namespace sallyport::capf
