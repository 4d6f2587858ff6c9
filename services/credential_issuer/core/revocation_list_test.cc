#include "services/credential_issuer/core/revocation_list.h"

#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Revocation Of(RevocationKind kind, const std::string& tenant,
              const std::string& target,
              absl::Time expire = kStart + absl::Hours(8)) {
  Revocation r;
  r.id = target;
  r.tenant = tenant;
  r.kind = kind;
  r.target = target;
  r.create_time = kStart;
  r.expire_time = expire;
  return r;
}

TEST(RevocationListTest, FindsByKindTenantAndTarget) {
  const RevocationList list({Of(RevocationKind::kCredential, "a", "x"),
                             Of(RevocationKind::kSubject, "b", "y")});
  EXPECT_TRUE(list.Contains(RevocationKind::kCredential, "a", "x"));
  EXPECT_FALSE(list.Contains(RevocationKind::kCredential, "b", "x"));
  EXPECT_FALSE(list.Contains(RevocationKind::kSubject, "a", "x"));
  ASSERT_NE(list.Find(RevocationKind::kSubject, "b", "y"), nullptr);
  EXPECT_EQ(list.Find(RevocationKind::kSubject, "b", "y")->id, "y");
  EXPECT_EQ(list.Find(RevocationKind::kSubject, "b", "z"), nullptr);
}

TEST(RevocationListTest, AddingLeavesTheOldListAsItWas) {
  const RevocationList list;
  const auto next = list.With(Of(RevocationKind::kKey, "-", "7"));
  ASSERT_THAT(next, IsOk());
  EXPECT_TRUE(next->Contains(RevocationKind::kKey, "-", "7"));
  EXPECT_FALSE(list.Contains(RevocationKind::kKey, "-", "7"));
}

TEST(RevocationListTest, PurgesWhatExpiredADayAgo) {
  const RevocationList list(
      {Of(RevocationKind::kCredential, "a", "x", kStart + absl::Hours(1)),
       Of(RevocationKind::kCredential, "a", "y", kStart + absl::Hours(2))});
  const absl::Time gone =
      kStart + absl::Hours(1) + RevocationList::kKeepExpired;
  EXPECT_EQ(list.purge_time(), gone);
  EXPECT_TRUE(list.Purge(gone - absl::Seconds(1))
                  .Contains(RevocationKind::kCredential, "a", "x"));
  const RevocationList later = list.Purge(gone);
  EXPECT_FALSE(later.Contains(RevocationKind::kCredential, "a", "x"));
  EXPECT_TRUE(later.Contains(RevocationKind::kCredential, "a", "y"));
  EXPECT_EQ(RevocationList().purge_time(), absl::InfiniteFuture());
}

TEST(RevocationListTest, IsBounded) {
  std::vector<Revocation> many(RevocationList::kMaxRevocations);
  for (size_t i = 0; i < many.size(); ++i) {
    many[i] = Of(RevocationKind::kCredential, "a", std::to_string(i));
  }
  EXPECT_THAT(RevocationList(std::move(many))
                  .With(Of(RevocationKind::kCredential, "a", "more")),
              HasReason("REVOCATIONS_FULL"));
}

}  // namespace
}  // namespace sallyport::credential_issuer
