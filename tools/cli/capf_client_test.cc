#include "tools/cli/capf_client.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

using capf::CapfMessage;
using capf::CapfOpcode;

// A message from the bytes of a transcript (research/pki.md section 2.6).
CapfMessage FromHex(const std::string& hex) {
  const std::string bytes = HexDecode(hex).value();
  return capf::ParseCapfMessage(AsBytes(bytes)).value()->message;
}

std::string ToHex(const CapfMessage& message) {
  return HexEncode(AsBytes(capf::SerializeCapfMessage(message).value()));
}

CapfClient Client(const std::string& text = "123456") {
  CapfClient::Options options;
  options.device_name = "SEP58971ECC97C1";
  options.authentication_string = Secret::CopyOf(text);
  return CapfClient(std::move(options));
}

constexpr char kAuthRequest[] = "55010000000100080700010308000100";
constexpr char kEcKeyRequest[] =
    "550300000001000d0a00020100110001011200"
    "0100";
constexpr char kRsaKeyRequest[] = "55030000000100050a00020800";
constexpr char kEndOk[] = "550f00000001000401000101";

TEST(CapfClientTest, InstallsAsTheTranscript) {
  CapfClient client = Client();
  SP_ASSERT_OK_AND_ASSIGN(CapfActions actions,
                          client.OnMessage(FromHex(kAuthRequest)));
  ASSERT_EQ(actions.send.size(), 1);
  // Byte for byte what the upstream client sends.
  EXPECT_EQ(ToHex(actions.send[0]),
            "55020000000100250100010107000103"
            "0b000731323334353600"
            "0d0010534550353839373145434339374331"
            "00");

  SP_ASSERT_OK_AND_ASSIGN(
      actions, client.OnMessage(FromHex("55030000000100090a0002080011000100")));
  ASSERT_EQ(actions.send.size(), 1);
  EXPECT_EQ(ToHex(actions.send[0]), "5511000000010000");
  EXPECT_EQ(actions.generate, DeviceKeyType::kRsa2048);

  actions = client.OnKey({1, 2, 3});
  ASSERT_EQ(actions.send.size(), 1);
  EXPECT_EQ(ToHex(actions.send[0]), "5504000000010006090003010203");

  SP_ASSERT_OK_AND_ASSIGN(actions, client.OnMessage(FromHex("550900000001000e"
                                                            "03000101"
                                                            "040007"
                                                            "0100040001"
                                                            "aabb")));
  ASSERT_TRUE(actions.store.has_value());
  EXPECT_EQ(*actions.store, (std::vector<uint8_t>{0xaa, 0xbb}));

  actions = client.OnStored();
  ASSERT_EQ(actions.send.size(), 1);
  EXPECT_EQ(ToHex(actions.send[0]), "550a00000001000401000101");
  SP_ASSERT_OK_AND_ASSIGN(actions, client.OnMessage(FromHex(kEndOk)));
  EXPECT_TRUE(actions.done);
}

TEST(CapfClientTest, MakesTheKeyThatTheServerAsksFor) {
  CapfClient ec = Client();
  ASSERT_THAT(ec.OnMessage(FromHex(kAuthRequest)), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(CapfActions actions,
                          ec.OnMessage(FromHex(kEcKeyRequest)));
  EXPECT_EQ(actions.generate, DeviceKeyType::kEcP256);

  // A server of version 2 says neither type nor curve.
  CapfClient rsa = Client();
  ASSERT_THAT(rsa.OnMessage(FromHex(kAuthRequest)), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(actions, rsa.OnMessage(FromHex(kRsaKeyRequest)));
  EXPECT_EQ(actions.generate, DeviceKeyType::kRsa2048);
}

TEST(CapfClientTest, RefusesKeysThatAreNotAllowed) {
  CapfClient::Options options;
  options.device_name = "SEP000000000001";
  options.allow_rsa = false;
  CapfClient client(std::move(options));
  ASSERT_THAT(client.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(client.OnMessage(FromHex(kRsaKeyRequest)),
              HasReason("CAPF_KEY_NOT_ALLOWED"));

  CapfClient weak = Client();
  ASSERT_THAT(weak.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(weak.OnMessage(FromHex("55030000000100050a00020200")),
              HasReason("CAPF_KEY_NOT_ALLOWED"));
}

TEST(CapfClientTest, NullStringSendsNone) {
  CapfClient client = Client("");
  SP_ASSERT_OK_AND_ASSIGN(const CapfActions actions,
                          client.OnMessage(FromHex(kAuthRequest)));
  EXPECT_FALSE(actions.send[0].authentication_string.has_value());
}

TEST(CapfClientTest, TellsWhyTheServerEnded) {
  CapfClient nothing = Client();
  ASSERT_THAT(nothing.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(nothing.OnMessage(FromHex("550f00000001000401000100")),
              HasReason("CAPF_NO_OPERATION"));
  CapfClient wrong = Client();
  ASSERT_THAT(wrong.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(wrong.OnMessage(FromHex("550f00000001000401000107")),
              HasReason("CAPF_DECLINED"));
  // An early "OK" stored nothing and is no success.
  CapfClient early = Client();
  ASSERT_THAT(early.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(early.OnMessage(FromHex(kEndOk)), HasReason("CAPF_DECLINED"));
}

TEST(CapfClientTest, FetchesAndDeletes) {
  CapfClient::Options options;
  options.device_name = "SEP000000000001";
  options.certificate_der = {0xaa};
  CapfClient fetched(std::move(options));
  ASSERT_THAT(fetched.OnMessage(FromHex(kAuthRequest)), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(CapfActions actions,
                          fetched.OnMessage(FromHex("550b000000010000")));
  ASSERT_TRUE(actions.send[0].certificate.has_value());
  EXPECT_EQ(actions.send[0].certificate->der, std::vector<uint8_t>{0xaa});

  CapfClient deleted = Client();
  ASSERT_THAT(deleted.OnMessage(FromHex(kAuthRequest)), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(actions,
                          deleted.OnMessage(FromHex("550d000000010000")));
  EXPECT_TRUE(actions.erase);
  EXPECT_EQ(ToHex(deleted.OnErased().send[0]), "550e00000001000401000101");
  SP_ASSERT_OK_AND_ASSIGN(actions, deleted.OnMessage(FromHex(kEndOk)));
  EXPECT_TRUE(actions.done);
}

TEST(CapfClientTest, RefusesWhatIsOutOfOrder) {
  CapfClient client = Client();
  EXPECT_THAT(client.OnMessage(FromHex(kRsaKeyRequest)),
              HasReason("CAPF_UNEXPECTED_MESSAGE"));
  CapfClient twice = Client();
  ASSERT_THAT(twice.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(twice.OnMessage(FromHex(kAuthRequest)),
              HasReason("CAPF_UNEXPECTED_MESSAGE"));
  CapfClient other = Client();
  ASSERT_THAT(other.OnMessage(FromHex(kAuthRequest)), IsOk());
  EXPECT_THAT(other.OnMessage(FromHex("55030000000200050a00020800")),
              HasReason("CAPF_UNEXPECTED_MESSAGE"));
  CapfClient busy = Client();
  EXPECT_THAT(busy.OnMessage(FromHex("5510000000010000")),
              HasReason("CAPF_RETRY_LATER"));
}

}  // namespace
}  // namespace sallyport::cli
