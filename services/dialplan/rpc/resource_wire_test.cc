#include "services/dialplan/rpc/resource_wire.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"
#include "google/protobuf/util/message_differencer.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using google::protobuf::util::MessageDifferencer;

// As the stream sends it.
pb::Resource Sent(const PlanRecord& record, bool with_secrets) {
  std::string out;
  AppendResource(pb::SnapshotPart::kResourcesFieldNumber, record, with_secrets,
                 out);
  pb::SnapshotPart part;
  EXPECT_TRUE(part.ParseFromString(out));
  EXPECT_EQ(part.resources_size(), 1);
  return part.resources_size() == 1 ? part.resources(0) : pb::Resource();
}

void ExpectSame(const pb::Resource& a, const pb::Resource& b) {
  EXPECT_TRUE(MessageDifferencer::Equals(a, b)) << a.ShortDebugString() << "\n"
                                                << b.ShortDebugString();
}

PlanRecord Stamped(const pb::Resource& resource, const Ha1Hashes& hashes) {
  PlanRecord record = RecordOf(resource, hashes);
  record.etag = "0123456789abcdef";
  record.create_time = absl::FromUnixMicros(1'700'000'000'123'456);
  record.update_time = absl::FromUnixMicros(1'700'000'001'000'000);
  return record;
}

TEST(ResourceWireTest, IsWhatTheMessageWouldBe) {
  pb::Resource resource;
  pb::RoutePattern& pattern = *resource.mutable_route_pattern();
  pattern.set_name("tenants/t/routePatterns/r");
  pattern.set_pattern("9.!");
  const PlanRecord record = Stamped(resource, {});
  ExpectSame(Sent(record, false), ResourceOf(record));
  ExpectSame(Sent(record, true), ResourceOf(record));
  EXPECT_EQ(Sent(record, false).route_pattern().etag(), "0123456789abcdef");
}

TEST(ResourceWireTest, LongBodiesHaveLongLengths) {
  for (const size_t size : {1u, 100u, 127u, 128u, 129u, 16'300u, 100'000u}) {
    pb::Resource resource;
    resource.mutable_partition()->set_name("tenants/t/partitions/p");
    resource.mutable_partition()->set_description(std::string(size, 'x'));
    const PlanRecord record = Stamped(resource, {});
    ExpectSame(Sent(record, false), ResourceOf(record));
  }
}

// Only the hash of the user's algorithm, and only for signaling_edge.
TEST(ResourceWireTest, SecretsForThoseWhoSeeThem) {
  for (const auto algorithm :
       {type::DIGEST_ALGORITHM_SHA_256, type::DIGEST_ALGORITHM_MD5}) {
    pb::Resource resource;
    pb::User& user = *resource.mutable_user();
    user.set_name("tenants/t/users/u");
    user.set_username("u");
    user.set_digest_algorithm(algorithm);
    const PlanRecord record =
        Stamped(resource, {std::string(32, 'a'), std::string(64, 'b')});
    ExpectSame(Sent(record, true), ResourceWithSecrets(record));
    ExpectSame(Sent(record, false), ResourceOf(record));
    EXPECT_FALSE(Sent(record, true).user().ha1().empty());
    EXPECT_TRUE(Sent(record, false).user().ha1().empty());
  }
}

}  // namespace
}  // namespace sallyport::dialplan
