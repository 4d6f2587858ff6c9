#include "services/capf/io/capf_loop.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/capf/core/capf_message.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/listener_certificate.h"
#include "services/capf/io/test_capf.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/byte_stream.h"
#include "services/common/status/status_matchers.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

// A phone: answers by hand, over real TLS.
class Phone final : public StreamHandler {
 public:
  void OnOpen() override { open = true; }
  void OnData(ByteSpan data) override { received.append(AsText(data)); }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status) override { ended = true; }

  // The next whole message, taken off what was received.
  std::optional<CapfMessage> Next() {
    const auto parsed = ParseCapfMessage(AsBytes(received));
    if (!parsed.ok() || !parsed->has_value()) return std::nullopt;
    received.erase(0, (*parsed)->consumed);
    return (*parsed)->message;
  }

  std::unique_ptr<TlsStream> stream;
  bool open = false;
  bool ended = false;
  std::string received;
};

class CapfLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    ListenerCertificateOptions names;
    names.folder = capf.folder;
    names.wrapping = &capf.wrapping;
    names.tenant = "a";
    names.names.dns_names = {"localhost"};
    SP_ASSERT_OK_AND_ASSIGN(ListenerCertificate certificate,
                            LoadOrIssueListenerCertificate(
                                names, *capf.authority, capf.clock.Now()));
    TlsContextOptions server;
    server.certificate_chain_pem = certificate.chain_pem;
    server.private_key_pem = std::move(certificate.key_pem);
    CapfLoop::Options options;
    options.address = SocketAddress::LoopbackV4(0);
    options.core.session.refusal_delay = absl::Milliseconds(200);
    SP_ASSERT_OK_AND_ASSIGN(options.tls, TlsContext::Create(std::move(server)));

    TlsContextOptions client;
    client.role = TlsRole::kClient;
    client.clock = &capf.clock;
    SP_ASSERT_OK_AND_ASSIGN(client.trust_anchors,
                            TrustAnchors::FromDer(std::vector<std::string>{
                                capf.authority->issuer().certificate_der}));
    SP_ASSERT_OK_AND_ASSIGN(client_tls, TlsContext::Create(std::move(client)));

    const std::array<absl::Span<const MetricSpec>, 1> tables = {kCapfMetrics};
    SP_ASSERT_OK_AND_ASSIGN(metrics, MetricsRegistry::Create(tables));
    SP_ASSERT_OK_AND_ASSIGN(loop, EventLoop::Create());
    work = std::make_unique<WorkPool>(4, 1000);
    SP_ASSERT_OK_AND_ASSIGN(
        port, CapfLoop::Create(*loop, std::move(options), *capf.registration,
                               *work, capf.random, *metrics));
  }
  void TearDown() override {
    work->Stop();
    port.reset();
  }

  // Turns the loop until `done`, for ten seconds at most.
  bool Until(const std::function<bool()>& done) {
    const absl::Time limit = absl::Now() + absl::Seconds(10);
    while (!done() && absl::Now() < limit) {
      loop->RunOnce(absl::Milliseconds(5));
    }
    return done();
  }
  std::unique_ptr<Phone> Connect() {
    auto phone = std::make_unique<Phone>();
    auto stream = TlsStream::Connect(
        *loop, SocketAddress::LoopbackV4(static_cast<uint16_t>(port->port())),
        client_tls, {}, *phone);
    EXPECT_THAT(stream, IsOk());
    phone->stream = *std::move(stream);
    EXPECT_TRUE(Until([&] { return phone->open || phone->ended; }));
    return phone;
  }
  CapfMessage Receive(Phone& phone) {
    std::optional<CapfMessage> message;
    EXPECT_TRUE(Until([&] {
      if (!message.has_value()) message = phone.Next();
      return message.has_value() || phone.ended;
    }));
    EXPECT_TRUE(message.has_value());
    return message.value_or(CapfMessage{});
  }
  void Send(Phone& phone, const CapfMessage& message, bool byte_by_byte) {
    const std::string wire = SerializeCapfMessage(message).value();
    if (!byte_by_byte) {
      ASSERT_THAT(phone.stream->Write(AsBytes(wire)), IsOk());
      return;
    }
    for (size_t i = 0; i < wire.size(); ++i) {
      ASSERT_THAT(phone.stream->Write(AsBytes(wire).subspan(i, 1)), IsOk());
      loop->RunOnce(absl::ZeroDuration());
    }
  }
  // AUTH_RESPONSE to the hello just received.
  CapfMessage Answer(const CapfMessage& hello, const std::string& device,
                     const std::string& string) {
    CapfMessage answer = TestCapf::ClaimOf(device, string);
    answer.session_id = hello.session_id;
    answer.reason = 1;
    return answer;
  }
  // The whole of an install; the reason of END_SESSION and the LSC.
  std::pair<int, std::string> Install(const std::string& device,
                                      const std::string& string,
                                      bool byte_by_byte = false,
                                      KeyKind kind = KeyKind::kEcP256) {
    auto phone = Connect();
    const CapfMessage hello = Receive(*phone);
    EXPECT_EQ(hello.opcode, CapfOpcode::kAuthRequest);
    Send(*phone, Answer(hello, device, string), byte_by_byte);
    CapfMessage next = Receive(*phone);
    if (next.opcode == CapfOpcode::kEndSession) {
      EXPECT_TRUE(Until([&] { return phone->ended; }));
      return {next.reason.value_or(255), ""};
    }
    EXPECT_EQ(next.opcode, CapfOpcode::kKeyGenerateRequest);
    CapfMessage busy;
    busy.opcode = CapfOpcode::kRequestInProgress;
    busy.session_id = hello.session_id;
    Send(*phone, busy, byte_by_byte);
    const auto key = NewTestKey(kind);
    const std::string spki = TestSpki(key.get());
    CapfMessage made;
    made.opcode = CapfOpcode::kKeyGenerateResponse;
    made.session_id = hello.session_id;
    made.public_key = std::vector<uint8_t>(spki.begin(), spki.end());
    Send(*phone, made, byte_by_byte);
    next = Receive(*phone);
    EXPECT_EQ(next.opcode, CapfOpcode::kStoreCertRequest);
    const std::string der(next.certificate->der.begin(),
                          next.certificate->der.end());
    CapfMessage stored;
    stored.opcode = CapfOpcode::kStoreCertResponse;
    stored.session_id = hello.session_id;
    stored.reason = 1;
    Send(*phone, stored, byte_by_byte);
    next = Receive(*phone);
    EXPECT_EQ(next.opcode, CapfOpcode::kEndSession);
    // The phone closes; the server has let go of it soon after.
    EXPECT_TRUE(Until([&] { return phone->ended; }));
    return {next.reason.value_or(255), der};
  }

  std::unique_ptr<WorkPool> work;  // before the ledger, whose thread uses it
  TestCapf capf{NewTestFolder()};
  std::shared_ptr<const TlsContext> client_tls;
  std::unique_ptr<MetricsRegistry> metrics;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<CapfLoop> port;
};

TEST_F(CapfLoopTest, AnLscOverRealTls) {
  capf.AddEnrollment("SEP1");
  const auto [reason, der] = Install("SEP1", "123456");
  EXPECT_EQ(reason, 1);
  const auto info = ParseCertificate(AsBytes(der));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->common_names, std::vector<std::string>{"SEP1"});
  SP_ASSERT_OK_AND_ASSIGN(const auto anchors,
                          TrustAnchors::FromDer(std::vector<std::string>{
                              capf.authority->issuer().certificate_der}));
  EXPECT_THAT(anchors->Verify(std::vector<std::string>{der},
                              CertificatePurpose::kTlsClient, capf.clock.Now()),
              IsOk());
  work->Stop();
  EXPECT_EQ(StatusName(capf.Get("SEP1").status), "Upgrade Success");
  EXPECT_EQ(metrics->Counter(kCapfSessionsTotal).Value(SessionEnd::kOk), 1);
}

TEST_F(CapfLoopTest, RsaKeysAndOctetByOctet) {
  Enrollment e = capf.AddEnrollment("SEP1");
  e.key_order = KeyOrder::kRsaOnly;
  ASSERT_THAT(capf.enrollments->Update(e, false, Secret(), "ann", false),
              IsOk());
  const auto [reason, der] =
      Install("SEP1", "123456", /*byte_by_byte=*/true, KeyKind::kRsa);
  EXPECT_EQ(reason, 1);
}

TEST_F(CapfLoopTest, RefusalsLookAlike) {
  capf.AddEnrollment("SEP1");
  const absl::Time start = absl::Now();
  EXPECT_EQ(Install("SEP1", "000000").first, 7);
  const absl::Time between = absl::Now();
  EXPECT_EQ(Install("NOBODY", "000000").first, 7);
  const absl::Time end = absl::Now();
  EXPECT_GE(between - start, absl::Milliseconds(200));
  EXPECT_GE(end - between, absl::Milliseconds(200));
}

TEST_F(CapfLoopTest, ManyPhonesAtOnce) {
  constexpr int kPhones = 40;
  std::vector<std::unique_ptr<Phone>> phones;
  for (int i = 0; i < kPhones; ++i) {
    capf.AddEnrollment("SEP" + std::to_string(i));
    phones.push_back(Connect());
  }
  EXPECT_EQ(port->open_connections(), static_cast<size_t>(kPhones));
  for (int i = 0; i < kPhones; ++i) {
    const CapfMessage hello = Receive(*phones[i]);
    Send(*phones[i], Answer(hello, "SEP" + std::to_string(i), "123456"), false);
  }
  for (int i = 0; i < kPhones; ++i) {
    EXPECT_EQ(Receive(*phones[i]).opcode, CapfOpcode::kKeyGenerateRequest);
  }
  phones.clear();  // all hang up
  EXPECT_TRUE(Until([&] { return port->open_connections() == 0; }));
  work->Stop();
  EXPECT_EQ(StatusName(capf.Get("SEP7").status),
            "Upgrade Failed: Phone Communication Failure");
}

TEST_F(CapfLoopTest, GarbageEndsTheConnectionAndNothingElse) {
  for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\n\r\n"),
                                     std::string("\x55\x02\0\0\0\0\xff\xff", 8),
                                     std::string(100000, '\x55')}) {
    auto phone = Connect();
    Receive(*phone);
    static_cast<void>(phone->stream->Write(AsBytes(garbage)));
    EXPECT_TRUE(Until([&] { return phone->ended; }));
  }
  EXPECT_TRUE(Until([&] { return port->open_connections() == 0; }));
  capf.AddEnrollment("SEP1");
  EXPECT_EQ(Install("SEP1", "123456").first, 1);
}

TEST_F(CapfLoopTest, StopAcceptingKeepsWhoIsThere) {
  capf.AddEnrollment("SEP1");
  auto phone = Connect();
  const CapfMessage hello = Receive(*phone);
  ASSERT_THAT(port->StopAccepting(), IsOk());
  loop->RunOnce(absl::Milliseconds(5));
  Phone late;
  auto stream = TlsStream::Connect(
      *loop, SocketAddress::LoopbackV4(static_cast<uint16_t>(port->port())),
      client_tls, {}, late);
  if (stream.ok()) {
    late.stream = *std::move(stream);
    EXPECT_TRUE(Until([&] { return late.ended; }));
  }
  EXPECT_FALSE(late.open);
  Send(*phone, Answer(hello, "SEP1", "123456"), false);
  EXPECT_EQ(Receive(*phone).opcode, CapfOpcode::kKeyGenerateRequest);
}

}  // namespace
}  // namespace sallyport::capf
