#include "services/common/tls/tls_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TlsTraceTest : public ::testing::Test {
 protected:
  TlsTraceTest()
      : trace_(std::make_shared<TlsTrace>(
            [this](const TlsTraceLine& line) { lines_.push_back(line); })) {}

  std::shared_ptr<const TlsContext> Context(TlsRole role, const TestCa& trusts,
                                            bool traced) {
    TlsContextOptions options;
    options.role = role;
    options.certificate_chain_pem = leaf_.pem;
    options.private_key_pem = Secret::CopyOf(leaf_.key_pem);
    options.trust_anchors = *TrustAnchors::FromPem(trusts.pem());
    options.client_certificate = ClientCertificateMode::kRequire;
    if (traced) options.trace = trace_;
    return *TlsContext::Create(std::move(options));
  }

  // A handshake whose server is traced.
  void Shake(const TestCa& client_trusts, const TestCa& server_trusts) {
    auto server =
        *TlsSession::Create(Context(TlsRole::kServer, server_trusts, true));
    auto client = *TlsSession::Create(
        Context(TlsRole::kClient, client_trusts, false), "edge.test");
    for (int i = 0; i < 10; ++i) {
      const std::string up = client->TakeCiphertext();
      (void)server->Feed(AsBytes(up));
      wire_ += up;
      const std::string down = server->TakeCiphertext();
      (void)client->Feed(AsBytes(down));
      wire_ += down;
    }
  }

  std::vector<std::string> Texts(TlsTraceKind kind) const {
    std::vector<std::string> out;
    for (const TlsTraceLine& line : lines_) {
      if (line.kind == kind) out.push_back(line.text);
    }
    return out;
  }

  TestCa ca_{"Trace CA"};
  TestCa other_{"Another CA"};
  const TestCertificate leaf_ = ca_.IssueDns("edge.test");
  std::shared_ptr<TlsTrace> trace_;
  std::vector<TlsTraceLine> lines_;
  std::string wire_;
};

// CCE-68: each switch by itself, while sessions come and go.
TEST_F(TlsTraceTest, ThreeIndependentSwitches) {
  Shake(ca_, ca_);
  EXPECT_THAT(lines_, IsEmpty());

  trace_->Set({.messages = true});
  Shake(ca_, ca_);
  EXPECT_THAT(Texts(TlsTraceKind::kMessage),
              Contains(HasSubstr("received ClientHello, ")));
  EXPECT_THAT(Texts(TlsTraceKind::kMessage),
              Contains(HasSubstr("received Certificate, ")));
  EXPECT_THAT(Texts(TlsTraceKind::kMessage),
              Contains(HasSubstr("sent ServerHello, ")));
  EXPECT_THAT(Texts(TlsTraceKind::kState), IsEmpty());
  EXPECT_THAT(Texts(TlsTraceKind::kError), IsEmpty());

  lines_.clear();
  trace_->Set({.states = true});
  Shake(ca_, ca_);
  EXPECT_THAT(Texts(TlsTraceKind::kState), Not(IsEmpty()));
  EXPECT_EQ(Texts(TlsTraceKind::kState).back(), "handshake done");
  EXPECT_EQ(lines_.size(), Texts(TlsTraceKind::kState).size());

  lines_.clear();
  trace_->Set({.errors = true});
  Shake(ca_, ca_);
  EXPECT_THAT(lines_, IsEmpty());
  Shake(ca_, other_);
  EXPECT_THAT(Texts(TlsTraceKind::kError), Contains("sent alert unknown_ca"));
  EXPECT_THAT(Texts(TlsTraceKind::kError),
              Contains(HasSubstr("PEER_CERTIFICATE_UNTRUSTED")));
  EXPECT_EQ(lines_.size(), Texts(TlsTraceKind::kError).size());
  EXPECT_EQ(trace_->switches(), (TlsTrace::Switches{.errors = true}));

  lines_.clear();
  trace_->Set({});
  Shake(ca_, other_);
  EXPECT_THAT(lines_, IsEmpty());
}

// CCE-69: no octet of a message, and so no key, is in a line.
TEST_F(TlsTraceTest, NoKeyMaterialInAnyLine) {
  trace_->Set({.errors = true, .messages = true, .states = true});
  Shake(ca_, ca_);
  Shake(ca_, other_);
  Shake(other_, ca_);
  ASSERT_FALSE(lines_.empty());
  EXPECT_NE(lines_.front().session, lines_.back().session);
  for (const TlsTraceLine& line : lines_) {
    EXPECT_TRUE(line.server);
    EXPECT_LT(line.text.size(), 100u);
    // No run of eight octets of the wire or the key, as they are or in hex.
    EXPECT_THAT(line.text, Not(HasSubstr("PRIVATE")));
    EXPECT_TRUE(std::all_of(line.text.begin(), line.text.end(), [](char c) {
      return c >= 0x20 && c < 0x7f;
    })) << line.text;
    const std::string hex = HexEncode(AsBytes(wire_));
    for (size_t i = 0; i + 16 <= line.text.size(); ++i) {
      EXPECT_EQ(hex.find(line.text.substr(i, 16)), std::string::npos);
      EXPECT_EQ(leaf_.key_pem.find(line.text.substr(i, 16)), std::string::npos);
    }
  }
}

TEST(TlsMessageTextTest, NamesAndLengths) {
  const std::string hello("\x01\0\0\x02hi", 6);
  EXPECT_EQ(TlsMessageText(true, 22, AsBytes(hello)),
            "sent ClientHello, 6 octets");
  EXPECT_EQ(TlsMessageText(false, 21, AsBytes("\x02\x30")),
            "received alert unknown_ca");
  EXPECT_EQ(TlsMessageText(false, 20, AsBytes("\x01")),
            "received ChangeCipherSpec");
  EXPECT_EQ(TlsMessageText(false, 22, AsBytes("\x63")),
            "received handshake message 99, 1 octets");
  // Records' headers and data are nobody's business.
  EXPECT_EQ(TlsMessageText(true, 256, AsBytes("\x17\x03\x03")), "");
  EXPECT_EQ(TlsMessageText(true, 23, AsBytes("secret")), "");
  EXPECT_EQ(TlsMessageText(true, 22, {}), "");
}

}  // namespace
}  // namespace sallyport
