#include "services/dialplan/rpc/resource_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <variant>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using google::protobuf::FieldMask;
using testing::ElementsAre;

constexpr char kUser[] = "tenants/t/users/alice";

FieldMask Mask(std::initializer_list<const char*> paths) {
  FieldMask mask;
  for (const char* path : paths) mask.add_paths(path);
  return mask;
}

pb::Resource User() {
  pb::Resource r;
  r.mutable_user()->set_username("alice");
  r.mutable_user()->set_description("first");
  r.mutable_user()->add_phone_numbers("1001");
  r.mutable_user()->set_domain("T.test");
  return r;
}

PlanRecord Merged(const pb::Resource& written, const FieldMask& mask,
                  const PlanRecord* current) {
  absl::StatusOr<PlanRecord> out =
      MergedRecord(written, kUser, mask, current, nullptr);
  EXPECT_THAT(out, IsOk());
  return *std::move(out);
}

pb::User Shown(const PlanRecord& record) { return ResourceOf(record).user(); }

TEST(MergedRecordTest, CreateTakesAllButOutputs) {
  pb::Resource written = User();
  written.mutable_user()->set_name("ignored");
  written.mutable_user()->set_etag("ignored");
  written.mutable_user()->mutable_create_time()->set_seconds(1);
  written.mutable_user()->set_has_credentials(true);
  const PlanRecord record = Merged(written, {}, nullptr);
  EXPECT_EQ(record.name(), kUser);
  EXPECT_EQ(record.etag, "");
  const pb::User user = Shown(record);
  EXPECT_EQ(user.name(), kUser);
  EXPECT_EQ(user.domain(), "t.test");
  EXPECT_FALSE(user.has_credentials());
  EXPECT_EQ(user.create_time().seconds(), 0);
}

TEST(MergedRecordTest, AUserGetsTheTenantsFirstDomain) {
  TenantEntry tenant;
  tenant.domains = {"first.test", "second.test"};
  pb::Resource written = User();
  written.mutable_user()->clear_domain();
  SP_ASSERT_OK_AND_ASSIGN(PlanRecord record,
                          MergedRecord(written, kUser, {}, nullptr, &tenant));
  EXPECT_EQ(std::get<UserEntry>(record.entry).domain, "first.test");
}

TEST(MergedRecordTest, MasksSayWhatChanges) {
  const PlanRecord first = Merged(User(), {}, nullptr);
  pb::Resource written;
  written.mutable_user()->set_description("second");
  written.mutable_user()->add_phone_numbers("2002");
  // Without a mask: what is set.
  pb::User user = Shown(Merged(written, {}, &first));
  EXPECT_EQ(user.description(), "second");
  EXPECT_THAT(user.phone_numbers(), ElementsAre("2002"));
  EXPECT_EQ(user.username(), "alice");
  // With one: that alone, even if it is not set.
  user =
      Shown(Merged(written, Mask({"display_name", "phone_numbers"}), &first));
  EXPECT_EQ(user.description(), "first");
  EXPECT_THAT(user.phone_numbers(), ElementsAre("2002"));
  written.mutable_user()->clear_phone_numbers();
  user = Shown(Merged(written, Mask({"phone_numbers"}), &first));
  EXPECT_EQ(user.phone_numbers_size(), 0);
  // "*": all, so that what is not set is gone.
  written.mutable_user()->set_username("alice");
  written.mutable_user()->set_domain("t.test");
  user = Shown(Merged(written, Mask({"*"}), &first));
  EXPECT_EQ(user.description(), "second");
  EXPECT_EQ(user.phone_numbers_size(), 0);
  // Outputs are passed over.
  written.mutable_user()->set_has_credentials(true);
  user = Shown(Merged(written, Mask({"has_credentials", "name"}), &first));
  EXPECT_FALSE(user.has_credentials());
  EXPECT_EQ(user.name(), kUser);
}

TEST(MergedRecordTest, NestedPaths) {
  pb::Resource pattern;
  pattern.mutable_route_pattern()->set_pattern("9.!");
  pattern.mutable_route_pattern()->mutable_called_party()->set_prefix_digits(
      "1");
  constexpr char kName[] = "tenants/t/routePatterns/p";
  SP_ASSERT_OK_AND_ASSIGN(PlanRecord first,
                          MergedRecord(pattern, kName, {}, nullptr, nullptr));
  pb::Resource written;
  written.mutable_route_pattern()->mutable_called_party()->set_transform_mask(
      "XXXX");
  SP_ASSERT_OK_AND_ASSIGN(
      PlanRecord second,
      MergedRecord(written, kName, Mask({"called_party.transform_mask"}),
                   &first, nullptr));
  const auto& entry = std::get<RoutePatternEntry>(second.entry);
  EXPECT_EQ(entry.transformation.called_mask, "XXXX");
  EXPECT_EQ(entry.transformation.called_prefix, "1");
}

// RFC 7616 section 3.4.2; the vectors are md5sum and sha256sum of
// "alice:t.test:correct horse".
TEST(MergedRecordTest, PasswordsBecomeHashes) {
  pb::Resource written = User();
  written.mutable_user()->set_password("correct horse");
  const PlanRecord record = Merged(written, {}, nullptr);
  const auto& user = std::get<UserEntry>(record.entry);
  EXPECT_EQ(user.ha1_md5, "68833bb99e2a3351c459c8fcefba5e17");
  EXPECT_EQ(user.ha1_sha256,
            "e3db85658508925a8bc11b19b76fec2fc308d5e602f897af3f2a05baab1bd7b9");
  EXPECT_EQ(record.body.find("correct horse"), std::string::npos);
  EXPECT_EQ(record.body.find(user.ha1_md5), std::string::npos);
  EXPECT_TRUE(Shown(record).has_credentials());
  EXPECT_EQ(Shown(record).ha1(), "");
  // The stream to the edge has the hash of the user's algorithm.
  EXPECT_EQ(ResourceWithSecrets(record).user().ha1(), user.ha1_sha256);

  // They stay until a new one comes.
  pb::Resource other;
  other.mutable_user()->set_description("x");
  const PlanRecord kept = Merged(other, {}, &record);
  EXPECT_EQ(std::get<UserEntry>(kept.entry).ha1_md5, user.ha1_md5);
  pb::Resource hash;
  hash.mutable_user()->set_ha1(std::string(64, 'a'));
  const PlanRecord replaced = Merged(hash, Mask({"ha1"}), &record);
  EXPECT_EQ(std::get<UserEntry>(replaced.entry).ha1_sha256,
            std::string(64, 'a'));
  // The hash of the old password under the other algorithm is gone.
  EXPECT_EQ(std::get<UserEntry>(replaced.entry).ha1_md5, "");
}

TEST(MergedRecordTest, TheRealmIsHashedIfThereIsOne) {
  pb::Resource written = User();
  written.mutable_user()->set_password("correct horse");
  const PlanRecord by_domain = Merged(written, {}, nullptr);
  written.mutable_user()->set_realm("voice");
  const PlanRecord by_realm = Merged(written, {}, nullptr);
  EXPECT_NE(std::get<UserEntry>(by_domain.entry).ha1_md5,
            std::get<UserEntry>(by_realm.entry).ha1_md5);
}

TEST(CheckMaskTest, NamesWhatIsNoField) {
  EXPECT_THAT(CheckMask(User(), Mask({"username", "phone_numbers"})), IsOk());
  EXPECT_THAT(CheckMask(User(), Mask({"*"})), IsOk());
  EXPECT_THAT(CheckMask(User(), {}), IsOk());
  const absl::Status status =
      CheckMask(User(), Mask({"username", "nothing", "*", "create_time.x"}));
  EXPECT_THAT(status, HasReason("UPDATE_MASK_INVALID"));
  std::vector<std::string> fields;
  for (const FieldViolation& v : FieldViolationsOf(status)) {
    fields.push_back(v.field);
  }
  EXPECT_THAT(fields,
              ElementsAre("update_mask.paths[1]", "update_mask.paths[2]",
                          "update_mask.paths[3]"));
}

TEST(RecordOfTest, WhatIsStoredMustBeOurs) {
  const PlanRecord record = Merged(User(), {}, nullptr);
  StoredResource stored;
  stored.name = kUser;
  stored.body = record.body;
  stored.etag = "e";
  stored.ha1_md5 = "h";
  SP_ASSERT_OK_AND_ASSIGN(RecordPtr loaded, RecordOf(stored));
  EXPECT_EQ(loaded->etag, "e");
  EXPECT_EQ(std::get<UserEntry>(loaded->entry).ha1_md5, "h");
  stored.name = "tenants/t/users/bob";
  EXPECT_THAT(RecordOf(stored), HasReason("STORE_CORRUPT"));
  stored.body = "\xff\xff";
  EXPECT_THAT(RecordOf(stored), HasReason("STORE_CORRUPT"));
}

TEST(ReferencesOfTest, FindsEveryFieldThatNamesAResource) {
  pb::Resource r;
  pb::Peer& peer = *r.mutable_peer();
  peer.set_dial_plan("d");
  peer.set_trunk_security_profile("p");
  peer.set_digest_user("u");
  peer.set_fqdn("no reference");
  EXPECT_THAT(ReferencesOf(r),
              ElementsAre(Reference{"peer.dial_plan", "d", "dialPlans"},
                          Reference{"peer.trunk_security_profile", "p",
                                    "trunkSecurityProfiles"},
                          Reference{"peer.digest_user", "u", "users"}));
  pb::Resource css;
  css.mutable_calling_search_space()->add_partitions("a");
  css.mutable_calling_search_space()->add_partitions("b");
  EXPECT_THAT(
      ReferencesOf(css),
      ElementsAre(
          Reference{"calling_search_space.partitions[0]", "a", "partitions"},
          Reference{"calling_search_space.partitions[1]", "b", "partitions"}));
  pb::Resource pattern;
  pattern.mutable_route_pattern()->set_route_list("l");
  EXPECT_THAT(
      ReferencesOf(pattern),
      ElementsAre(Reference{"route_pattern.route_list", "l", "routeLists"}));
}

}  // namespace
}  // namespace sallyport::dialplan
