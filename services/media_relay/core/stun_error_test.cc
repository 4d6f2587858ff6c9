#include "services/media_relay/core/stun_error.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

TEST(StunErrorTest, NamesAreDistinct) {
  const StunError all[] = {StunError::kTryAlternate,
                           StunError::kBadRequest,
                           StunError::kUnauthenticated,
                           StunError::kForbidden,
                           StunError::kUnknownAttribute,
                           StunError::kAllocationMismatch,
                           StunError::kStaleNonce,
                           StunError::kAddressFamilyNotSupported,
                           StunError::kWrongCredentials,
                           StunError::kUnsupportedTransport,
                           StunError::kPeerAddressFamilyMismatch,
                           StunError::kAllocationQuotaReached,
                           StunError::kServerError,
                           StunError::kInsufficientCapacity};
  std::set<std::string> names;
  for (const StunError error : all) {
    names.insert(std::string(StunErrorName(error)));
  }
  EXPECT_EQ(names.size(), std::size(all));
}

TEST(StunErrorTest, FromStatus) {
  EXPECT_EQ(StunErrorFrom(absl::InvalidArgumentError("")),
            StunError::kBadRequest);
  EXPECT_EQ(StunErrorFrom(absl::UnauthenticatedError("")),
            StunError::kUnauthenticated);
  EXPECT_EQ(StunErrorFrom(absl::PermissionDeniedError("")),
            StunError::kForbidden);
  EXPECT_EQ(StunErrorFrom(absl::NotFoundError("")),
            StunError::kAllocationMismatch);
  EXPECT_EQ(StunErrorFrom(absl::ResourceExhaustedError("")),
            StunError::kInsufficientCapacity);
  EXPECT_EQ(StunErrorFrom(absl::UnavailableError("")),
            StunError::kInsufficientCapacity);
  EXPECT_EQ(StunErrorFrom(absl::InternalError("")), StunError::kServerError);
  EXPECT_EQ(StunErrorFrom(absl::UnknownError("")), StunError::kServerError);
}

}  // namespace
}  // namespace sallyport::media_relay
