// Tokens that name the owner of a dialog to its own kind and to nobody else:
// in Contact, tags and Via branches, so that what lands on another edge finds
// its way (design.md section 6, "any pod").
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_TOKEN_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_TOKEN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/remote_flow.h"

namespace sallyport::signaling_edge {

// The number of the edge with that configured name. Never 0.
uint64_t EdgeNumber(std::string_view edge_id);

// The keys that all edges of a cluster share: the first signs, all verify, so
// that a new one can be put behind the old one everywhere, then before it.
// Immutable.
class TokenKeys {
 public:
  // 32 raw octets, or one or two lines of 64 hexadecimal digits, of a key
  // each. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<std::shared_ptr<const TokenKeys>> Parse(
      std::string_view text);
  static std::shared_ptr<const TokenKeys> Random(RandomSource& random);

  const Secret& first() const { return keys_.front(); }
  const std::vector<Secret>& all() const { return keys_; }

 private:
  explicit TokenKeys(std::vector<Secret> keys) : keys_(std::move(keys)) {}

  const std::vector<Secret> keys_;
};

inline constexpr size_t kTokenKeySize = 32;

// A token is 56 lower-case hexadecimal digits: 64 bits of randomness, the
// owner, hidden by a key stream, and a tag of 64 bits over both. What it is
// good for is a hop within the cluster and nothing else: whoever brings one
// must still prove to be a party of the dialog.
inline constexpr size_t kTokenSize = 56;

std::string MintToken(const TokenKeys& keys, NodeId owner,
                      RandomSource& random);

// Whose it is, by any of the keys; nullopt when it is no token of the cluster.
// The tag is compared in constant time.
std::optional<NodeId> OwnerOfToken(const TokenKeys& keys,
                                   std::string_view token);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_TOKEN_H_
