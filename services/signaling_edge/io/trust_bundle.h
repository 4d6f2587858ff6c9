// Whom the edge trusts, as capf says: one generation, immutable.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_BUNDLE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_BUNDLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {

// Roots that need no capf, by store (StaticTrust of the configuration), DER.
using StaticTrustStores = std::map<std::string, std::vector<std::string>>;

// Store names as the vendor documents spell them (CUC, IMP).
inline constexpr std::string_view kPeerTrustStore = "CallManager-trust";
inline constexpr std::string_view kPhoneTrustStore = "CAPF-trust";

// The trust in force. Immutable.
class TrustBundle {
 public:
  // What `contents` (the stores of the last full message, or none) and
  // `fixed` hold together; fixed roots count for every tenant. INVALID_ARGUMENT
  // if a certificate cannot be parsed or a store has no tenant. What `before`,
  // the one that was in force, has verified is not verified again where its
  // anchor is still there, and else without its signatures, so that a change
  // costs thousands of live connections little.
  static absl::StatusOr<std::shared_ptr<const TrustBundle>> Make(
      const capf::v1::WatchTrustBundleResponse& contents,
      const StaticTrustStores& fixed, const TrustBundle* before = nullptr);

  int64_t version() const { return version_; }

  // Every root of peers and phones of all tenants, for the handshake, where
  // nobody knows yet whose certificate it is. Never null, maybe empty. It
  // proves no more than that somebody trusts it: Verify() comes after.
  const std::shared_ptr<const TrustAnchors>& any() const { return any_; }

  // Whether `chain` ends in `store` of `tenant` ("tenants/{t}"): a tenant's
  // root vouches for that tenant's peers and phones only. Until when it does,
  // as TrustAnchors::GoodUntil; its errors, and PEER_REVOCATION_UNKNOWN where
  // the store is hard and nobody can tell at `now` that all of the chain is
  // good.
  absl::StatusOr<absl::Time> Verify(std::string_view tenant,
                                    std::string_view store,
                                    absl::Span<const std::string> chain,
                                    CertificatePurpose purpose,
                                    absl::Time now) const;
  // Whether it ends in that store of any tenant.
  bool SomebodyTrusts(std::string_view store,
                      absl::Span<const std::string> chain,
                      CertificatePurpose purpose, absl::Time now) const;

  // `issuer`: DER of the issuer's name; `serial`: the INTEGER's octets without
  // leading zeros. By the issuer's own word.
  bool IsRevoked(std::string_view issuer, std::string_view serial) const;
  // The same for a DER certificate, and by the word of those that it names as
  // issuers of lists; true also for one that does not parse.
  bool IsRevokedCertificate(std::string_view der) const;
  size_t revoked_count() const { return revoked_count_; }

  // Whether an anchor of this name, or a list of this issuer, has changed since
  // `before`: what is to be judged first.
  bool MayHaveChanged(absl::Span<const std::string> chain) const;

 private:
  // One store as it stands.
  struct Store {
    std::shared_ptr<const TrustAnchors> anchors;
    bool hard = false;
    // SHA-256 of each anchor; of a hard store only.
    std::set<std::string> members;
  };
  struct Coverage {
    absl::Time leaf_until = absl::InfinitePast();
    absl::Time authority_until = absl::InfinitePast();
  };
  // Serials of one length, end to end in order: a list of many thousands is
  // kept and searched as it stands.
  using SerialBlocks = std::map<size_t, std::string>;
  // What is revoked of an issuer's.
  struct Revoked {
    SerialBlocks own;
    // By Key() of the name of who says so.
    std::map<std::string, SerialBlocks, std::less<>> by_others;

    bool operator==(const Revoked&) const = default;
  };

  TrustBundle() = default;

  absl::StatusOr<absl::Time> VerifyIn(const Store& store,
                                      absl::Span<const std::string> chain,
                                      CertificatePurpose purpose,
                                      absl::Time now) const;
  absl::Status CheckCovered(const Store& store,
                            absl::Span<const std::string> chain,
                            absl::Time now) const;
  void SetRevoked(const capf::v1::WatchTrustBundleResponse& contents);
  void SetCoverage(const capf::v1::WatchTrustBundleResponse& contents);
  absl::Time CoveredUntil(std::string_view der) const;
  bool IsRevokedByAny(std::string_view issuer, std::string_view serial,
                      std::string_view der) const;
  static bool Holds(const SerialBlocks& blocks, std::string_view serial);
  void SetChanged(const TrustBundle& before);

  int64_t version_ = 0;
  std::shared_ptr<const TrustAnchors> any_;
  // By tenant and store, fixed roots included; and the fixed ones alone, for
  // tenants that have no store of their own.
  std::map<std::pair<std::string, std::string>, Store> stores_;
  std::map<std::string, std::shared_ptr<const TrustAnchors>, std::less<>>
      fixed_;
  // By the issuer's name, DER.
  std::map<std::string, Revoked, std::less<>> revoked_;
  std::map<std::string, Coverage, std::less<>> coverage_;
  // By the issuer's name, DER, and Key() of that of who tells its revocations.
  std::map<std::pair<std::string, std::string>, Coverage> indirect_coverage_;
  // Every root, by its DER: its names.
  std::map<std::string, std::pair<std::string, std::string>> roots_;
  size_t revoked_count_ = 0;
  std::set<std::string, std::less<>> changed_;  // names, DER
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_BUNDLE_H_
