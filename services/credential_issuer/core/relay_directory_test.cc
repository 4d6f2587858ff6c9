#include "services/credential_issuer/core/relay_directory.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
}

TEST(ParseTurnUriTest, RefusesAllElse) {
  for (const char* bad :
       {"", "turn:", "stun:a.test", "turn://a.test", "turn:a b",
        "turn:a:", "turn:a:0", "turn:a:65536", "turn:a:1x", "turn:a:+1",
        "turn:a?transport=sctp", "turn:a?x=1", "turns:a?transport=udp",
        "turn:[::1", "turn:[zz]", "turn:[::1]x", "turn:a:123456"}) {
    EXPECT_THAT(ParseTurnUri(bad), HasReason("TURN_URI_INVALID")) << bad;
  }
}

TEST(RelayDirectoryTest, NearRelaysFirstThenTheLeastLoaded) {
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
  directory.OnReport("busy",
                     {Address("turn:busy.test", ClientNetwork::kInternet)}, 0.9,
                     kStart);
  directory.OnReport("idle",
                     {Address("turn:idle.test", ClientNetwork::kInternet)}, 0.1,
                     kStart);
  EXPECT_THAT(Uris(directory.Select(ClientNetwork::kInternet, "paris", kStart)),
              ElementsAre("turn:near.test", "turn:all.test", "turn:idle.test",
                          "turn:busy.test", "turn:far.test"));
  EXPECT_THAT(Uris(directory.Select(ClientNetwork::kIntranet, "paris", kStart)),
              ElementsAre("turn:near.lan"));
  EXPECT_EQ(directory.Select(ClientNetwork::kUnknown, "", kStart).size(), 6u);
}

TEST(RelayDirectoryTest, AReportIsBelievedForAWhile) {
  RelayDirectory directory({}, false);
  directory.OnReport(
      "one", {Address("turn:one.test", ClientNetwork::kInternet)}, 0.5, kStart);
  EXPECT_EQ(directory.Select(ClientNetwork::kUnknown, "", kStart).size(), 1u);
  EXPECT_EQ(directory.Select(ClientNetwork::kUnknown, "", kStart)[0].relay,
            "one");
  EXPECT_THAT(
      directory.Select(ClientNetwork::kUnknown, "", kStart + absl::Seconds(91)),
      IsEmpty());
  directory.OnGone("one");
  EXPECT_THAT(directory.Select(ClientNetwork::kUnknown, "", kStart), IsEmpty());
}

TEST(RelayDirectoryTest, StaticOnlyAndNoAddressTwice) {
  const StaticRelay relay = {
      "one", "", 1, {Address("turn:one.test", ClientNetwork::kInternet)}};
  RelayDirectory both({relay}, false);
  RelayDirectory only({relay}, true);
  for (RelayDirectory* d : {&both, &only}) {
    d->OnReport("one", {Address("turn:one.test", ClientNetwork::kInternet)}, 0,
                kStart);
    d->OnReport("two", {Address("turn:two.test", ClientNetwork::kInternet)}, 0,
                kStart);
  }
  EXPECT_THAT(Uris(both.Select(ClientNetwork::kUnknown, "", kStart)),
              ElementsAre("turn:one.test", "turn:two.test"));
  EXPECT_THAT(Uris(only.Select(ClientNetwork::kUnknown, "", kStart)),
              ElementsAre("turn:one.test"));
}

TEST(RelayDirectoryTest, IsBounded) {
  RelayDirectory directory({}, false);
  std::vector<RelayAddress> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(Address("turn:h" + std::to_string(i) + ".test",
                           ClientNetwork::kInternet));
  }
  directory.OnReport("one", many, 7.5, kStart);
  EXPECT_EQ(directory.Select(ClientNetwork::kUnknown, "", kStart).size(),
            RelayDirectory::kMaxAnswer);
}

}  // namespace
}  // namespace sallyport::credential_issuer
