#include "services/signaling_edge/core/cluster_message.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

ClusterMessage Example() {
  ClusterMessage out;
  out.kind = ClusterMessage::Kind::kMessage;
  out.from = {1, 4};
  out.to = {2, 1};
  out.flow = {out.from, 77, SipTransport::kTls, 5061,
              *SocketAddress::Parse("[2001:db8::7]:49153")};
  out.incoming = true;
  out.tls.emplace();
  out.tls->version = "TLSv1.3";
  out.tls->cipher = "TLS_AES_128_GCM_SHA256";
  out.tls->server_name = "edge.test";
  out.tls->trust_store = "CallManager-trust";
  out.tls->trusted.peers = true;
  out.tls->trusted.others = 2;
  CertificateInfo& certificate = out.tls->certificate.emplace();
  certificate.alt_names = {{SubjectAltName::Type::kDns, "gw.test"},
                           {SubjectAltName::Type::kUri, "sip:gw.test"}};
  certificate.common_names = {"gw"};
  certificate.subject = "CN=gw";
  certificate.issuer = "CN=ca";
  certificate.serial_hex = "1f";
  certificate.not_before = absl::FromUnixSeconds(1'700'000'000);
  certificate.not_after = absl::FromUnixSeconds(1'900'000'000);
  certificate.sha1.fill(1);
  certificate.sha256.fill(2);
  certificate.client_auth = certificate.any_usage = true;
  out.text = "BYE sip:x SIP/2.0\r\n\r\n";
  return out;
}

ByteSpan PayloadOf(const std::string& frame) {
  ByteReader reader(AsBytes(frame));
  EXPECT_EQ(*reader.ReadU32(), frame.size() - kClusterLengthSize);
  return AsBytes(frame).subspan(kClusterLengthSize);
}

// What the owner believes of the client is what the holder has verified.
TEST(ClusterMessageTest, CarriesTheFactsOfTheFlow) {
  const ClusterMessage sent = Example();
  const std::string frame = WriteClusterFrame(sent);
  const auto got = ReadClusterFrame(PayloadOf(frame), 1, 2);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->from, sent.from);
  EXPECT_EQ(got->to, sent.to);
  EXPECT_EQ(got->flow, sent.flow);
  EXPECT_EQ(got->text, sent.text);
  ASSERT_TRUE(got->tls.has_value() && got->tls->certificate.has_value());
  const CertificateInfo& certificate = *got->tls->certificate;
  EXPECT_EQ(certificate.alt_names, sent.tls->certificate->alt_names);
  EXPECT_EQ(certificate.common_names, sent.tls->certificate->common_names);
  EXPECT_EQ(certificate.not_after, sent.tls->certificate->not_after);
  EXPECT_EQ(certificate.sha256, sent.tls->certificate->sha256);
  EXPECT_TRUE(certificate.client_auth);
  EXPECT_TRUE(certificate.any_usage);
  EXPECT_FALSE(certificate.sip_domain);
  EXPECT_FALSE(certificate.is_ca);
  EXPECT_TRUE(got->tls->trusted.peers);
  EXPECT_FALSE(got->tls->trusted.phones);
  EXPECT_EQ(got->tls->trusted.others, 2);
  EXPECT_EQ(got->tls->cipher, sent.tls->cipher);
}

TEST(ClusterMessageTest, AThirdNodesFlowStaysItsOwn) {
  ClusterMessage sent = Example();
  sent.flow.node = {7, 3};
  const std::string frame = WriteClusterFrame(sent);
  const auto got = ReadClusterFrame(PayloadOf(frame), 1, 2);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kind, ClusterMessage::Kind::kMessage);
  EXPECT_EQ(got->flow, sent.flow);
  EXPECT_EQ(got->from, sent.from);
  EXPECT_EQ(got->text, sent.text);
}

TEST(ClusterMessageTest, EveryKindComesBack) {
  for (uint8_t kind = 1; kind <= 8; ++kind) {
    ClusterMessage sent = Example();
    sent.kind = static_cast<ClusterMessage::Kind>(kind);
    sent.ask = 9;
    if (kind == 3 || kind == 5) sent.text.clear();
    const std::string frame = WriteClusterFrame(sent);
    const auto got = ReadClusterFrame(PayloadOf(frame), 1, 2);
    ASSERT_TRUE(got.ok()) << int{kind};
    EXPECT_EQ(got->kind, sent.kind);
    EXPECT_EQ(got->ask, 9u);
    EXPECT_EQ(got->text, sent.text);
    EXPECT_EQ(got->flow.node.edge, kind == 2 ? 2u : 1u);
    EXPECT_EQ(got->tls.has_value(), kind == 1 || kind == 4);
  }
}

TEST(ClusterMessageTest, WhatIsCutOrChangedIsRefused) {
  const std::string frame = WriteClusterFrame(Example());
  const ByteSpan payload = PayloadOf(frame);
  const size_t text = Example().text.size();
  for (size_t i = 0; i <= payload.size() - text; ++i) {
    const auto got = ReadClusterFrame(payload.first(i), 1, 2);
    ASSERT_FALSE(got.ok()) << i;
    EXPECT_EQ(ReasonOf(got.status()), "CLUSTER_FRAME_INVALID");
  }
  for (const uint8_t kind : {0, 10, 255}) {
    std::string other(AsText(payload));
    other[0] = static_cast<char>(kind);
    EXPECT_FALSE(ReadClusterFrame(AsBytes(other), 1, 2).ok());
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
