// What is no longer good although it has not expired.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_REVOCATION_LIST_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_REVOCATION_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport::credential_issuer {

enum class RevocationKind { kCredential, kSubject, kKey };

struct Revocation {
  std::string id;
  std::string tenant;  // "-" for a key, which belongs to none
  RevocationKind kind = RevocationKind::kCredential;
  // The credential id, the opaque subject, or the key id in decimal.
  std::string target;
  std::string reason;  // an operator's words, for the audit
  absl::Time create_time;
  absl::Time expire_time;  // what it revokes has expired by then
  int64_t version = 0;     // of the state in which it was added
};

// The revocations in force at one version; each change gives another list.
// Immutable.
class RevocationList {
 public:
  // More are refused, so that the relays' memory is bounded.
  static constexpr size_t kMaxRevocations = 100'000;
  // One that has expired is kept so long, in case the clock had jumped ahead.
  static constexpr absl::Duration kKeepExpired = absl::Hours(24);

  RevocationList() = default;
  explicit RevocationList(std::vector<Revocation> revocations);

  // In the order in which they were added.
  const std::vector<Revocation>& all() const { return revocations_; }

  // True if a revocation of `kind` names `target` in `tenant`.
  bool Contains(RevocationKind kind, std::string_view tenant,
                std::string_view target) const;
  // The one that does, or nullptr.
  const Revocation* Find(RevocationKind kind, std::string_view tenant,
                         std::string_view target) const;

  // A list with one more. RESOURCE_EXHAUSTED with REVOCATIONS_FULL.
  absl::StatusOr<RevocationList> With(Revocation revocation) const;

  // A list without those that expired kKeepExpired ago.
  RevocationList Purge(absl::Time now) const;
  // When the next Purge removes something; InfiniteFuture() when never.
  absl::Time purge_time() const;

 private:
  std::vector<Revocation> revocations_;
  absl::flat_hash_set<std::string> index_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_REVOCATION_LIST_H_
