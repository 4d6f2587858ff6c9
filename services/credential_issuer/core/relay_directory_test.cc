#include "services/credential_issuer/core/relay_directory.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

RelayAddress Address(const std::string& uri, ClientNetwork network) {
  auto parsed = ParseTurnUri(uri);
  EXPECT_THAT(parsed, IsOk());
  return {"", network, *std::move(parsed)};
}

std::vector<std::string> Uris(const std::vector<RelayAddress>& addresses) {
  std::vector<std::string> out;
  for (const RelayAddress& a : addresses) out.push_back(a.uri.uri);
  return out;
}

TEST(ParseTurnUriTest, Rfc7065Forms) {
  const auto plain = ParseTurnUri("turn:relay.test");
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(plain->host, "relay.test");
  EXPECT_EQ(plain->port, 3478);
  EXPECT_EQ(plain->transport, TurnTransport::kUdp);
  const auto tcp = ParseTurnUri("turn:192.0.2.1:3479?transport=tcp");
  ASSERT_THAT(tcp, IsOk());
  EXPECT_EQ(tcp->port, 3479);
  EXPECT_EQ(tcp->transport, TurnTransport::kTcp);
  const auto tls = ParseTurnUri("turns:[2001:db8::1]:443?transport=tcp");
  ASSERT_THAT(tls, IsOk());
  EXPECT_EQ(tls->host, "2001:db8::1");
  EXPECT_EQ(tls->port, 443);
  EXPECT_EQ(tls->transport, TurnTransport::kTls);
  EXPECT_EQ(ParseTurnUri("turns:a.test")->port, 5349);
  const auto dtls = ParseTurnUri("turns:a.test?transport=udp");
  ASSERT_THAT(dtls, IsOk());
  EXPECT_EQ(dtls->port, 5349);
  EXPECT_EQ(dtls->transport, TurnTransport::kDtls);
}

TEST(ParseTurnUriTest, RefusesAllElse) {
  for (const char* bad :
       {"", "turn:", "stun:a.test", "turn://a.test", "turn:a b",
        "turn:a:", "turn:a:0", "turn:a:65536", "turn:a:1x", "turn:a:+1",
        "turn:a?transport=sctp", "turn:a?x=1", "turns:a?transport=dtls",
        "turn:[::1", "turn:[zz]", "turn:[::1]x", "turn:a:123456"}) {
    EXPECT_THAT(ParseTurnUri(bad), HasReason("TURN_URI_INVALID")) << bad;
  }
}

RelayReport Report(const std::string& relay, double load,
                   std::vector<std::string> uris,
                   const std::string& location = "") {
  RelayReport out;
  out.relay = relay;
  out.location = location;
  for (const std::string& uri : uris) {
    out.addresses.push_back(Address(uri, ClientNetwork::kInternet));
  }
  out.load = load;
  out.version = 1;
  out.time = kStart;
  return out;
}

RelayQuery Query(ClientNetwork network = ClientNetwork::kUnknown,
                 std::string_view location = "", int64_t version = 1) {
  return {network, location, version};
}

class RelayDirectoryTest : public testing::Test {
 protected:
  std::vector<std::string> Names(const RelayDirectory& directory,
                                 const RelayQuery& query = Query(),
                                 absl::Time now = kStart) {
    return Uris(directory.Select(query, now, random_));
  }

  FakeRandom random_;
};

TEST_F(RelayDirectoryTest, NearRelaysFirstAndFullOnesLast) {
  RelayDirectory directory(
      {{"far",
        "berlin",
        1,
        {Address("turn:far.test", ClientNetwork::kInternet)}},
       {"all", "", 1, {Address("turn:all.test", ClientNetwork::kInternet)}},
       {"near",
        "paris",
        1,
        {Address("turn:near.test", ClientNetwork::kInternet),
         Address("turn:near.lan", ClientNetwork::kIntranet)}}},
      false);
  directory.OnReport(Report("busy", 0.96, {"turn:busy.test"}, "paris"));
  EXPECT_THAT(Names(directory, Query(ClientNetwork::kInternet, "paris")),
              ElementsAre("turn:near.test", "turn:all.test", "turn:far.test",
                          "turn:busy.test"));
  EXPECT_THAT(Names(directory, Query(ClientNetwork::kIntranet, "paris")),
              ElementsAre("turn:near.lan", "turn:busy.test"));
  EXPECT_THAT(Names(directory), SizeIs(5));
}

TEST_F(RelayDirectoryTest, ByLotInProportionToWhatIsFree) {
  RelayDirectory directory({}, false);
  directory.OnReport(Report("busy", 0.8, {"turn:busy.test"}));
  directory.OnReport(Report("idle", 0.2, {"turn:idle.test"}));
  int idle_first = 0;
  for (int i = 0; i < 5000; ++i) {
    if (Names(directory)[0] == "turn:idle.test") ++idle_first;
  }
  // Four in five; five standard deviations are 141.
  EXPECT_NEAR(idle_first, 4000, 141);
}

TEST_F(RelayDirectoryTest, WeightsOfConfiguredRelays) {
  RelayDirectory directory(
      {{"a", "", 3, {Address("turn:a.test", ClientNetwork::kInternet)}},
       {"b", "", 1, {Address("turn:b.test", ClientNetwork::kInternet)}}},
      false);
  int a_first = 0;
  for (int i = 0; i < 4000; ++i) {
    if (Names(directory)[0] == "turn:a.test") ++a_first;
  }
  EXPECT_NEAR(a_first, 3000, 137);
}

TEST_F(RelayDirectoryTest, AReportIsBelievedForAWhile) {
  RelayDirectory directory({}, false);
  directory.OnReport(Report("one", 0.5, {"turn:one.test"}));
  EXPECT_THAT(directory.Select(Query(), kStart, random_), SizeIs(1));
  EXPECT_EQ(directory.Select(Query(), kStart, random_)[0].relay, "one");
  const absl::Time end = kStart + RelayDirectory::kReportLifetime;
  EXPECT_TRUE(directory.IsLive("one", end));
  EXPECT_THAT(Names(directory, Query(), end), SizeIs(1));
  EXPECT_THAT(Names(directory, Query(), end + absl::Milliseconds(1)),
              IsEmpty());
  // One that comes late is no newer.
  RelayReport late = Report("one", 0, {"turn:old.test"});
  late.time = kStart - absl::Seconds(1);
  directory.OnReport(late);
  EXPECT_THAT(Names(directory), ElementsAre("turn:one.test"));
  directory.OnGone("one");
  EXPECT_THAT(Names(directory), IsEmpty());
  EXPECT_FALSE(directory.IsLive("one", kStart));
}

TEST_F(RelayDirectoryTest, NeitherDrainingNorIgnorantNorSilentRelays) {
  RelayDirectory directory(
      {{"static", "", 1, {Address("turn:s.test", ClientNetwork::kInternet)}}},
      false);
  RelayReport draining = Report("draining", 0, {"turn:d.test"});
  draining.draining = true;
  directory.OnReport(draining);
  RelayReport behind = Report("behind", 0, {"turn:b.test"});
  behind.version = 6;
  directory.OnReport(behind);
  // The configured one never reported: it is believed to be there.
  EXPECT_THAT(Names(directory, Query(ClientNetwork::kUnknown, "", 7)),
              ElementsAre("turn:s.test"));
  EXPECT_THAT(Names(directory, Query(ClientNetwork::kUnknown, "", 6)),
              SizeIs(2));
  // It did, and ceased.
  directory.OnReport(Report("static", 0, {}));
  EXPECT_THAT(Names(directory, Query()), SizeIs(2));
  EXPECT_THAT(Names(directory, Query(), kStart + absl::Minutes(1)), IsEmpty());
}

TEST_F(RelayDirectoryTest, AKeyIsKnownWhenEveryLiveRelayHasIt) {
  RelayDirectory directory({}, false);
  EXPECT_TRUE(directory.AllHave(7, kStart));
  RelayReport one = Report("one", 0, {});
  one.version = 7;
  directory.OnReport(one);
  RelayReport two = Report("two", 0, {});
  two.version = 6;
  directory.OnReport(two);
  EXPECT_FALSE(directory.AllHave(7, kStart));
  EXPECT_TRUE(directory.AllHave(6, kStart));
  // The one behind is silent: it is not waited for.
  one.time = kStart + absl::Seconds(15);
  directory.OnReport(one);
  EXPECT_TRUE(directory.AllHave(7, kStart + absl::Seconds(21)));
}

// AVE-29: one interface serves both networks, two serve one each.
TEST_F(RelayDirectoryTest, OneInterfaceServesBothNetworks) {
  RelayDirectory directory({}, false);
  directory.OnReport(Report("single", 0, {"turn:single.test"}));
  RelayReport both = Report("double", 0, {"turn:out.test"});
  both.addresses.push_back(Address("turn:in.lan", ClientNetwork::kIntranet));
  directory.OnReport(both);
  EXPECT_THAT(Names(directory, Query(ClientNetwork::kIntranet)),
              testing::UnorderedElementsAre("turn:single.test", "turn:in.lan"));
  EXPECT_THAT(
      Names(directory, Query(ClientNetwork::kInternet)),
      testing::UnorderedElementsAre("turn:single.test", "turn:out.test"));
}

TEST_F(RelayDirectoryTest, StaticOnlyAndNoAddressTwice) {
  const StaticRelay relay = {
      "one", "", 1, {Address("turn:one.test", ClientNetwork::kInternet)}};
  RelayDirectory both({relay}, false);
  RelayDirectory only({relay}, true);
  for (RelayDirectory* d : {&both, &only}) {
    d->OnReport(Report("one", 0, {"turn:one.test"}));
    d->OnReport(Report("two", 0, {"turn:two.test"}));
  }
  EXPECT_THAT(Names(both),
              testing::UnorderedElementsAre("turn:one.test", "turn:two.test"));
  EXPECT_THAT(Names(only), ElementsAre("turn:one.test"));
}

TEST_F(RelayDirectoryTest, IsBounded) {
  RelayDirectory directory({}, false);
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back("turn:h" + std::to_string(i) + ".test");
  }
  directory.OnReport(Report("one", 7.5, many));
  EXPECT_THAT(Names(directory), SizeIs(RelayDirectory::kMaxAnswer));
}

}  // namespace
}  // namespace sallyport::credential_issuer
