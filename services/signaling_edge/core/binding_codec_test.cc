#include "services/signaling_edge/core/binding_codec.h"

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kUser[] = "tenants/t/users/alice";

Moment At(absl::Duration since) {
  return {MonoTime::FromOrigin(absl::Hours(1) + since),
          absl::FromUnixSeconds(1'800'000'000) + since};
}

Binding Full() {
  Binding out;
  out.user = kUser;
  out.contact = "sip:a@192.0.2.1";
  out.call_id = "c";
  out.cseq = 7;
  out.instance = "<urn:uuid:1>";
  out.reg_id = 2;
  out.path = {"<sip:p2;lr>", "<sip:p1;lr;ob>"};
  out.bulk = true;
  out.user_agent = "ua";
  out.authentication = "DIGEST_MD5";
  out.phone = "tenants/t/phones/SEP1";
  out.registered = out.refreshed = At(absl::ZeroDuration()).mono;
  out.expires = out.refreshed + absl::Minutes(10);
  out.owner = RemoteFlow{.node = {5, 1},
                         .connection = 9,
                         .transport = SipTransport::kTls,
                         .logical_port = 5061,
                         .remote = *SocketAddress::FromIp("2001:db8::1", 4000)};
  return out;
}

TEST(BindingCodecTest, AllOfABindingCrossesToAnEdgeWithAnotherClock) {
  const std::string text =
      EncodeBindings({9, 3, {Full()}}, At(absl::ZeroDuration()));
  // 60 s later, on a machine that started at another time.
  const Moment there = {MonoTime::FromOrigin(absl::Hours(9)),
                        At(absl::Minutes(1)).wall};
  const auto read = DecodeBindings(text, kUser, there);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->epoch, 9u);
  EXPECT_EQ(read->generation, 3u);
  ASSERT_EQ(read->bindings.size(), 1u);
  const Binding& got = read->bindings[0];
  const Binding want = Full();
  EXPECT_EQ(got.user, kUser);
  EXPECT_EQ(got.contact, want.contact);
  EXPECT_EQ(got.call_id, want.call_id);
  EXPECT_EQ(got.cseq, want.cseq);
  EXPECT_EQ(got.instance, want.instance);
  EXPECT_EQ(got.reg_id, want.reg_id);
  EXPECT_EQ(got.path, want.path);
  EXPECT_TRUE(got.bulk);
  EXPECT_EQ(got.user_agent, want.user_agent);
  EXPECT_EQ(got.authentication, want.authentication);
  EXPECT_EQ(got.phone, want.phone);
  EXPECT_EQ(got.owner, want.owner);
  EXPECT_EQ(got.refreshed, there.mono - absl::Minutes(1));
  EXPECT_EQ(got.expires, there.mono + absl::Minutes(9));
}

TEST(BindingCodecTest, WhatHasExpiredIsLeftOut) {
  const std::string text =
      EncodeBindings({9, 1, {Full()}}, At(absl::ZeroDuration()));
  EXPECT_TRUE(
      DecodeBindings(text, kUser, At(absl::Minutes(10)))->bindings.empty());
}

TEST(BindingCodecTest, AnythingElseIsRefused) {
  const std::string text =
      EncodeBindings({9, 1, {Full(), Full()}}, At(absl::ZeroDuration()));
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(ReasonOf(DecodeBindings(text.substr(0, size), kUser,
                                      At(absl::ZeroDuration()))
                           .status()),
              "REGISTRY_MALFORMED")
        << size;
  }
  EXPECT_FALSE(
      DecodeBindings(text + "x", kUser, At(absl::ZeroDuration())).ok());
  std::string other = text;
  other[0] = 2;
  EXPECT_FALSE(DecodeBindings(other, kUser, At(absl::ZeroDuration())).ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
