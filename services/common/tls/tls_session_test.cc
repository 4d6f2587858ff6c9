#include "services/common/tls/tls_session.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/time/fake_clock.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using State = TlsSession::State;

// A stock BoringSSL connection without any of our settings: the peers that we
// do not make ourselves.
class ForeignPeer {
 public:
  explicit ForeignPeer(bool server) : context_(SSL_CTX_new(TLS_method())) {
    ssl_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    if (server) {
      SSL_set_accept_state(ssl_.get());
    } else {
      SSL_set_connect_state(ssl_.get());
    }
  }
  SSL* ssl() { return ssl_.get(); }

  void UseCertificate(const TestCertificate& cert) {
    bssl::UniquePtr<BIO> pem(
        BIO_new_mem_buf(cert.pem.data(), static_cast<int>(cert.pem.size())));
    bssl::UniquePtr<BIO> key(BIO_new_mem_buf(
        cert.key_pem.data(), static_cast<int>(cert.key_pem.size())));
    bssl::UniquePtr<X509> x509(
        PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
    bssl::UniquePtr<EVP_PKEY> pkey(
        PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    EXPECT_TRUE(SSL_use_certificate(ssl_.get(), x509.get()));
    EXPECT_TRUE(SSL_use_PrivateKey(ssl_.get(), pkey.get()));
  }

  // Exchanges until neither has anything to say; returns our error, if any.
  absl::Status HandshakeWith(TlsSession& ours) {
    absl::Status status;
    for (int i = 0; i < 20; ++i) {
      SSL_do_handshake(ssl_.get());
      const uint8_t* data;
      size_t size;
      BIO_mem_contents(out_, &data, &size);
      const std::string flight = ToString({data, size});
      BIO_reset(out_);
      status.Update(ours.Feed(AsBytes(flight)));
      const std::string answer = ours.TakeCiphertext();
      BIO_write(in_, answer.data(), static_cast<int>(answer.size()));
      if (flight.empty() && answer.empty()) break;
    }
    return status;
  }

 private:
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
  BIO* in_;
  BIO* out_;
};

class TlsSessionTest : public testing::Test {
 protected:
  TlsContextOptions Options(TlsRole role, const TestCertificate* cert) {
    TlsContextOptions options;
    options.role = role;
    options.clock = &clock_;
    if (cert != nullptr) {
      options.certificate_chain_pem = cert->pem;
      options.private_key_pem = cert->KeySecret();
    }
    options.trust_anchors = *TrustAnchors::FromPem(ca_.pem());
    return options;
  }
  TlsContextOptions ServerOptions(ClientCertificateMode mode) {
    TlsContextOptions options = Options(TlsRole::kServer, &server_cert_);
    options.client_certificate = mode;
    return options;
  }

  void Start(TlsContextOptions server, TlsContextOptions client,
             std::string_view name = {}) {
    server_ = *TlsSession::Create(*TlsContext::Create(std::move(server)));
    client_ = *TlsSession::Create(*TlsContext::Create(std::move(client)), name);
  }

  // Carries flights of at most `fragment` octets until silence. Errors stay in
  // the sessions.
  void Run(size_t fragment = SIZE_MAX) {
    for (int i = 0; i < 50; ++i) {
      const std::string up = client_->TakeCiphertext();
      const std::string down = server_->TakeCiphertext();
      if (up.empty() && down.empty()) return;
      FeedInPieces(*server_, up, fragment);
      FeedInPieces(*client_, down, fragment);
    }
    FAIL() << "the sessions never fall silent";
  }
  static void FeedInPieces(TlsSession& to, const std::string& bytes,
                           size_t fragment) {
    for (size_t at = 0; at < bytes.size();
         at += std::min(fragment, bytes.size())) {
      (void)to.Feed(AsBytes(bytes.substr(at, fragment)));
    }
  }

  void ExpectBothOpen() {
    EXPECT_EQ(client_->state(), State::kOpen) << client_->error();
    EXPECT_EQ(server_->state(), State::kOpen) << server_->error();
  }
  void ExpectEcho() {
    ASSERT_THAT(client_->Write(AsBytes("question")), IsOk());
    Run();
    EXPECT_EQ(server_->TakePlaintext(), "question");
    ASSERT_THAT(server_->Write(AsBytes("answer")), IsOk());
    Run();
    EXPECT_EQ(client_->TakePlaintext(), "answer");
  }

  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  TestCa ca_{"Our CA"};
  TestCa other_ca_{"Other CA"};
  TestCertificate server_cert_ = ca_.IssueDns("edge.test");
  TestCertificate client_cert_ =
      ca_.Issue({.common_name = "gw", .uris = {"sip:gw.test"}});
  std::unique_ptr<TlsSession> server_, client_;
};

TEST_F(TlsSessionTest, OneSidedTls13) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr), "Edge.Test");
  Run();
  ExpectBothOpen();
  EXPECT_EQ(server_->version(), "TLSv1.3");
  EXPECT_EQ(server_->cipher(), client_->cipher());
  EXPECT_THAT(server_->cipher(), HasSubstr("TLS_"));
  EXPECT_EQ(server_->server_name(), "edge.test");
  EXPECT_FALSE(server_->peer().has_value());
  ASSERT_TRUE(client_->peer().has_value());
  EXPECT_TRUE(client_->peer()->verified);
  EXPECT_EQ(client_->peer()->leaf.subject, "CN=edge.test");
  ExpectEcho();
}

TEST_F(TlsSessionTest, MutualTls13) {
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &client_cert_));
  Run();
  ExpectBothOpen();
  ASSERT_TRUE(server_->peer().has_value());
  EXPECT_TRUE(server_->peer()->verified);
  EXPECT_THAT(server_->peer()->leaf.AltNames(SubjectAltName::Type::kUri),
              ElementsAre("sip:gw.test"));
  EXPECT_THAT(server_->peer()->chain, ElementsAre(client_cert_.der));
  ExpectEcho();
}

TEST_F(TlsSessionTest, AlpnTakesTheFirstOfTheServersThatTheClientOffers) {
  TlsContextOptions server = ServerOptions(ClientCertificateMode::kNone);
  server.application_protocols = {"h2", "http/1.1"};
  TlsContextOptions client = Options(TlsRole::kClient, nullptr);
  client.application_protocols = {"http/1.1", "h2"};
  Start(std::move(server), std::move(client));
  Run();
  ExpectBothOpen();
  EXPECT_EQ(server_->application_protocol(), "h2");
  EXPECT_EQ(client_->application_protocol(), "h2");
}

TEST_F(TlsSessionTest, AlpnIsEmptyWhereTheClientOffersNothing) {
  TlsContextOptions server = ServerOptions(ClientCertificateMode::kNone);
  server.application_protocols = {"h2"};
  Start(std::move(server), Options(TlsRole::kClient, nullptr));
  Run();
  ExpectBothOpen();
  EXPECT_EQ(server_->application_protocol(), "");
}

// RFC 7301 section 3.2: no_application_protocol.
TEST_F(TlsSessionTest, AlpnRefusesAClientThatOffersOthersAlone) {
  TlsContextOptions server = ServerOptions(ClientCertificateMode::kNone);
  server.application_protocols = {"h2"};
  TlsContextOptions client = Options(TlsRole::kClient, nullptr);
  client.application_protocols = {"http/1.1"};
  Start(std::move(server), std::move(client));
  Run();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_EQ(client_->state(), State::kFailed);
}

TEST_F(TlsSessionTest, MutualTls12WithAForeignServer) {
  ForeignPeer peer(/*server=*/true);
  SSL_set_max_proto_version(peer.ssl(), TLS1_2_VERSION);
  peer.UseCertificate(server_cert_);
  auto ours = *TlsSession::Create(
      *TlsContext::Create(Options(TlsRole::kClient, &client_cert_)));
  const std::string hello = ours->TakeCiphertext();
  ASSERT_EQ(BIO_write(SSL_get_rbio(peer.ssl()), hello.data(),
                      static_cast<int>(hello.size())),
            static_cast<int>(hello.size()));
  EXPECT_THAT(peer.HandshakeWith(*ours), IsOk());
  EXPECT_EQ(ours->state(), State::kOpen);
  EXPECT_EQ(ours->version(), "TLSv1.2");
  EXPECT_THAT(ours->cipher(), HasSubstr("GCM"));
}

// CCE-08, CCE-20
TEST_F(TlsSessionTest, Tls12IsTheFloor) {
  const auto handshake_with = [&](int version, bool legacy) {
    auto options = ServerOptions(ClientCertificateMode::kNone);
    options.legacy_phones = legacy;
    server_ = *TlsSession::Create(*TlsContext::Create(std::move(options)));
    ForeignPeer peer(/*server=*/false);
    SSL_set_min_proto_version(peer.ssl(), TLS1_VERSION);
    SSL_set_max_proto_version(peer.ssl(), version);
    return peer.HandshakeWith(*server_);
  };
  EXPECT_THAT(handshake_with(TLS1_VERSION, false),
              HasReason("TLS_HANDSHAKE_FAILED"));
  EXPECT_THAT(handshake_with(TLS1_1_VERSION, false),
              HasReason("TLS_HANDSHAKE_FAILED"));
  EXPECT_THAT(handshake_with(TLS1_2_VERSION, false), IsOk());
  EXPECT_EQ(server_->version(), "TLSv1.2");
  EXPECT_THAT(handshake_with(TLS1_3_VERSION, false), IsOk());
  EXPECT_EQ(server_->version(), "TLSv1.3");
}

// Phones of old: TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA (0x002f).
TEST_F(TlsSessionTest, LegacyProfileOnlyWhenAskedFor) {
  server_cert_ = ca_.Issue({.common_name = "capf", .rsa_key = true});
  for (bool legacy : {false, true}) {
    auto options = ServerOptions(ClientCertificateMode::kNone);
    options.legacy_phones = legacy;
    server_ = *TlsSession::Create(*TlsContext::Create(std::move(options)));
    ForeignPeer phone(/*server=*/false);
    SSL_set_min_proto_version(phone.ssl(), TLS1_VERSION);
    SSL_set_max_proto_version(phone.ssl(), TLS1_VERSION);
    ASSERT_TRUE(SSL_set_strict_cipher_list(phone.ssl(), "AES128-SHA"));
    if (legacy) {
      EXPECT_THAT(phone.HandshakeWith(*server_), IsOk());
      EXPECT_EQ(server_->version(), "TLSv1");
      EXPECT_EQ(server_->cipher(), "TLS_RSA_WITH_AES_128_CBC_SHA");
    } else {
      EXPECT_THAT(phone.HandshakeWith(*server_),
                  HasReason("TLS_HANDSHAKE_FAILED"));
    }
  }
}

// AVE-51: TLS 1.2 and AEAD ciphers of 128 bits or more, or nothing.
TEST_F(TlsSessionTest, ModernServersRefuseCipherWithoutForwardSecrecy) {
  server_cert_ = ca_.Issue({.common_name = "edge", .rsa_key = true});
  server_ = *TlsSession::Create(
      *TlsContext::Create(ServerOptions(ClientCertificateMode::kNone)));
  ForeignPeer peer(/*server=*/false);
  SSL_set_max_proto_version(peer.ssl(), TLS1_2_VERSION);
  ASSERT_TRUE(
      SSL_set_strict_cipher_list(peer.ssl(), "AES128-GCM-SHA256:AES128-SHA"));
  EXPECT_THAT(peer.HandshakeWith(*server_), HasReason("TLS_HANDSHAKE_FAILED"));
}

TEST_F(TlsSessionTest, RequireRefusesAClientWithoutACertificate) {
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, nullptr));
  Run();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_THAT(server_->error(), HasReason("PEER_CERTIFICATE_MISSING"));
  // In TLS 1.3 the client learns it after its own handshake is complete.
  EXPECT_EQ(client_->state(), State::kFailed);
  EXPECT_THAT(client_->error(), HasReason("TLS_ALERT_RECEIVED"));
  ASSERT_TRUE(server_->alert().has_value());
  EXPECT_TRUE(server_->alert()->sent);
  EXPECT_EQ(TlsAlertName(server_->alert()->description),
            "certificate_required");
  EXPECT_EQ(client_->alert(),
            (TlsAlert{server_->alert()->description, /*sent=*/false}));
}

TEST_F(TlsSessionTest, RequestAcceptsAClientWithoutACertificate) {
  Start(ServerOptions(ClientCertificateMode::kRequest),
        Options(TlsRole::kClient, nullptr));
  Run();
  ExpectBothOpen();
  EXPECT_FALSE(server_->peer().has_value());
}

TEST_F(TlsSessionTest, RequestStillRefusesAnUntrustedCertificate) {
  const TestCertificate stranger = other_ca_.IssueDns("gw.test");
  Start(ServerOptions(ClientCertificateMode::kRequest),
        Options(TlsRole::kClient, &stranger));
  Run();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_THAT(server_->error(), HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  // Who it was can still be logged.
  ASSERT_TRUE(server_->peer().has_value());
  EXPECT_FALSE(server_->peer()->verified);
  EXPECT_EQ(server_->peer()->leaf.subject, "CN=gw.test");
}

// AVE-52.
TEST_F(TlsSessionTest, TheClientRefusesAServerOfAnotherCa) {
  server_cert_ = other_ca_.IssueDns("edge.test");
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  Run();
  EXPECT_EQ(client_->state(), State::kFailed);
  EXPECT_THAT(client_->error(), HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_THAT(server_->error(), HasReason("TLS_ALERT_RECEIVED"));
  // CUC-69: which side sent it.
  ASSERT_TRUE(client_->alert().has_value() && server_->alert().has_value());
  EXPECT_EQ(TlsAlertName(client_->alert()->description), "unknown_ca");
  EXPECT_TRUE(client_->alert()->sent);
  EXPECT_EQ(TlsAlertName(server_->alert()->description), "unknown_ca");
  EXPECT_FALSE(server_->alert()->sent);
}

TEST_F(TlsSessionTest, ExpiryIsJudgedByOurClock) {
  client_cert_ = ca_.Issue(
      {.common_name = "gw", .not_after = clock_.Now() + absl::Hours(1)});
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &client_cert_));
  Run();
  ExpectBothOpen();
  clock_.Advance(absl::Hours(2));
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &client_cert_));
  Run();
  EXPECT_THAT(server_->error(), HasReason("PEER_CERTIFICATE_EXPIRED"));
}

TEST_F(TlsSessionTest, UsageIsJudgedByRole) {
  client_cert_ = ca_.Issue({.common_name = "gw", .client_auth = false});
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &client_cert_));
  Run();
  EXPECT_THAT(server_->error(), HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
}

// RFC 5924, where the context is SIP's.
TEST_F(TlsSessionTest, ACertificateForSipDomainsIsForSip) {
  server_cert_ = client_cert_ =
      ca_.Issue({.dns_names = {"gw.test"},
                 .no_extended_key_usage = true,
                 .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}});
  for (const bool sip : {true, false}) {
    TlsContextOptions server = ServerOptions(ClientCertificateMode::kRequire);
    TlsContextOptions client = Options(TlsRole::kClient, &client_cert_);
    server.sip_domains = client.sip_domains = sip;
    Start(std::move(server), std::move(client));
    Run();
    if (sip) {
      ExpectBothOpen();
    } else {
      EXPECT_THAT(client_->error(), HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
    }
  }
}

TEST_F(TlsSessionTest, DangerousAcceptReportsInsteadOfRefusing) {
  server_cert_ = other_ca_.IssueDns("import.test");
  auto client = Options(TlsRole::kClient, nullptr);
  client.unverified_peer = UnverifiedPeer::kDangerousAccept;
  bool asked = false;
  client.accept_peer = [&](const PeerCertificate&) {
    asked = true;
    return absl::OkStatus();
  };
  Start(ServerOptions(ClientCertificateMode::kNone), std::move(client));
  Run();
  ExpectBothOpen();
  EXPECT_FALSE(client_->peer()->verified);
  EXPECT_THAT(client_->peer()->verify_error,
              HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  EXPECT_FALSE(asked) << "accept_peer is for verified certificates";
}

TEST_F(TlsSessionTest, AcceptPeerHasTheLastWord) {
  auto server = ServerOptions(ClientCertificateMode::kRequire);
  server.accept_peer = [](const PeerCertificate& peer) {
    EXPECT_TRUE(peer.verified);
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "PEER_IDENTITY_MISMATCH", peer.leaf.subject);
  };
  Start(std::move(server), Options(TlsRole::kClient, &client_cert_));
  Run();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_THAT(server_->error(), HasReason("PEER_IDENTITY_MISMATCH"));
  EXPECT_THAT(server_->error(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(server_->peer()->verified);
  EXPECT_EQ(client_->state(), State::kFailed);
}

TEST_F(TlsSessionTest, IntermediatesAreSentAndUsed) {
  TestCa middle = ca_.IssueCa("Middle");
  server_cert_ = middle.IssueDns("edge.test");
  server_cert_.pem += middle.pem();
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  Run();
  ExpectBothOpen();
  EXPECT_THAT(client_->peer()->chain, SizeIs(2));
}

TEST_F(TlsSessionTest, EveryFragmentationWorks) {
  for (size_t fragment : {1, 2, 3, 7, 100, 1000}) {
    SCOPED_TRACE(fragment);
    Start(ServerOptions(ClientCertificateMode::kRequire),
          Options(TlsRole::kClient, &client_cert_));
    Run(fragment);
    ExpectBothOpen();
    ASSERT_THAT(client_->Write(AsBytes(std::string(40'000, 'x'))), IsOk());
    Run(fragment);
    EXPECT_EQ(server_->TakePlaintext(), std::string(40'000, 'x'));
  }
}

TEST_F(TlsSessionTest, NothingFedNothingHappens) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  EXPECT_THAT(server_->Feed({}), IsOk());
  Run();
  ExpectBothOpen();
  EXPECT_THAT(server_->Feed({}), IsOk());
  ASSERT_THAT(client_->Write({}), IsOk());
  Run();
  EXPECT_EQ(server_->TakePlaintext(), "");
  ExpectEcho();
}

TEST_F(TlsSessionTest, NoPlaintextBeforeTheHandshakeIsComplete) {
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &client_cert_));
  EXPECT_THAT(client_->Write(AsBytes("early")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(server_->Write(AsBytes("early")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  // The client's last flight and its first words in one piece, octet by octet:
  // the words appear only with the handshake complete and the peer known.
  ASSERT_THAT(server_->Feed(AsBytes(client_->TakeCiphertext())), IsOk());
  ASSERT_THAT(client_->Feed(AsBytes(server_->TakeCiphertext())), IsOk());
  ASSERT_EQ(client_->state(), State::kOpen);
  ASSERT_THAT(client_->Write(AsBytes("words")), IsOk());
  std::string got;
  for (char c : client_->TakeCiphertext()) {
    ASSERT_THAT(server_->Feed(AsBytes(std::string_view(&c, 1))), IsOk());
    got += server_->TakePlaintext();
    if (server_->state() == State::kHandshaking) {
      ASSERT_EQ(got, "");
      ASSERT_EQ(server_->version(), "");
    }
  }
  EXPECT_EQ(got, "words");
  EXPECT_TRUE(server_->peer()->verified);
}

TEST_F(TlsSessionTest, WordsOfARefusedClientAreNeverDelivered) {
  const TestCertificate stranger = other_ca_.IssueDns("gw.test");
  Start(ServerOptions(ClientCertificateMode::kRequire),
        Options(TlsRole::kClient, &stranger));
  ASSERT_THAT(server_->Feed(AsBytes(client_->TakeCiphertext())), IsOk());
  ASSERT_THAT(client_->Feed(AsBytes(server_->TakeCiphertext())), IsOk());
  ASSERT_THAT(client_->Write(AsBytes("INVITE")), IsOk());
  EXPECT_FALSE(server_->Feed(AsBytes(client_->TakeCiphertext())).ok());
  EXPECT_EQ(server_->TakePlaintext(), "");
}

TEST_F(TlsSessionTest, TamperedRecordsAreRefused) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  Run();
  ASSERT_THAT(client_->Write(AsBytes("hello")), IsOk());
  std::string record = client_->TakeCiphertext();
  record.back() = static_cast<char>(record.back() ^ 1);
  EXPECT_THAT(server_->Feed(AsBytes(record)), HasReason("TLS_RECORD_INVALID"));
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_EQ(server_->TakePlaintext(), "");
  // The error is final, and the peer gets an alert.
  EXPECT_THAT(server_->Feed(AsBytes("more")), HasReason("TLS_RECORD_INVALID"));
  EXPECT_THAT(server_->Write(AsBytes("no")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(client_->Feed(AsBytes(server_->TakeCiphertext())),
              HasReason("TLS_ALERT_RECEIVED"));
}

TEST_F(TlsSessionTest, AnyOctetOfTheHandshakeTamperedNeverOpensBoth) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  const size_t hello_size = client_->TakeCiphertext().size();
  for (size_t at = 0; at < hello_size; at += 5) {
    Start(ServerOptions(ClientCertificateMode::kNone),
          Options(TlsRole::kClient, nullptr));
    std::string hello = client_->TakeCiphertext();
    hello[at] = static_cast<char>(hello[at] ^ 0x40);
    (void)server_->Feed(AsBytes(hello));
    Run();
    EXPECT_FALSE(client_->state() == State::kOpen &&
                 server_->state() == State::kOpen)
        << at;
  }
}

TEST_F(TlsSessionTest, WhatIsNotTlsIsRefused) {
  for (const char* text :
       {"INVITE sip:a@b SIP/2.0\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03",
        "\x80\x2e\x01\x00\x02\x00\x15\x00\x00"}) {
    server_ = *TlsSession::Create(
        *TlsContext::Create(ServerOptions(ClientCertificateMode::kNone)));
    (void)server_->Feed(AsBytes(text));
    EXPECT_NE(server_->state(), State::kOpen);
    EXPECT_EQ(server_->TakePlaintext(), "");
  }
  EXPECT_THAT(server_->Feed(AsBytes(std::string(100, 'x'))),
              HasReason("TLS_HANDSHAKE_FAILED"));
}

TEST_F(TlsSessionTest, CloseNotifyIsHalfAClose) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  Run();
  client_->Close();
  EXPECT_THAT(client_->Write(AsBytes("x")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Run();
  EXPECT_EQ(server_->state(), State::kPeerClosed);
  ASSERT_THAT(server_->Write(AsBytes("bye")), IsOk());
  Run();
  EXPECT_EQ(client_->TakePlaintext(), "bye");
  server_->Close();
  Run();
  EXPECT_EQ(client_->state(), State::kPeerClosed);
}

TEST_F(TlsSessionTest, TheServerNameChoosesTheContext) {
  const TestCertificate tenant_cert = ca_.IssueDns("tenant.test");
  auto tenant_options = Options(TlsRole::kServer, &tenant_cert);
  tenant_options.client_certificate = ClientCertificateMode::kRequire;
  tenant_options.generation = 2;
  const std::shared_ptr<const TlsContext> tenant =
      *TlsContext::Create(std::move(tenant_options));
  const auto server = [&] {
    auto options = ServerOptions(ClientCertificateMode::kNone);
    options.generation = 1;
    options.select_by_server_name =
        [&](std::string_view name) -> std::shared_ptr<const TlsContext> {
      return name == "tenant.test" ? tenant : nullptr;
    };
    return options;
  };

  Start(server(), Options(TlsRole::kClient, &client_cert_), "TENANT.test");
  Run();
  ExpectBothOpen();
  EXPECT_EQ(client_->peer()->leaf.subject, "CN=tenant.test");
  EXPECT_EQ(server_->context().generation(), 2u);
  ASSERT_TRUE(server_->peer().has_value()) << "the tenant's rule applies";

  Start(server(), Options(TlsRole::kClient, nullptr), "tenant.test");
  Run();
  EXPECT_THAT(server_->error(), HasReason("PEER_CERTIFICATE_MISSING"));

  for (const char* name : {"another.test", ""}) {
    Start(server(), Options(TlsRole::kClient, nullptr), name);
    Run();
    ExpectBothOpen();
    EXPECT_EQ(client_->peer()->leaf.subject, "CN=edge.test");
    EXPECT_EQ(server_->context().generation(), 1u);
  }
}

TEST_F(TlsSessionTest, RunningSessionsKeepTheirContext) {
  Start(ServerOptions(ClientCertificateMode::kNone),
        Options(TlsRole::kClient, nullptr));
  Run();
  // Nobody but the sessions holds their contexts any more.
  ExpectEcho();
}

TEST_F(TlsSessionTest, NoTicketsUnlessAskedFor) {
  server_ = *TlsSession::Create(
      *TlsContext::Create(ServerOptions(ClientCertificateMode::kNone)));
  ForeignPeer peer(/*server=*/false);
  ASSERT_THAT(peer.HandshakeWith(*server_), IsOk());
  uint8_t byte;
  SSL_read(peer.ssl(), &byte, 1);  // takes what followed the handshake
  const SSL_SESSION* const session = SSL_get_session(peer.ssl());
  EXPECT_FALSE(SSL_SESSION_is_resumable(session));
}

// The ticket keys are the context's own, so tickets end with a generation.
TEST_F(TlsSessionTest, TicketsResumeWithinOneContextOnly) {
  const auto context = [&] {
    auto options = ServerOptions(ClientCertificateMode::kRequest);
    options.session_tickets = true;
    return *TlsContext::Create(std::move(options));
  };
  const std::shared_ptr<const TlsContext> first = context();
  client_cert_ = ca_.Issue(
      {.common_name = "gw", .not_after = clock_.Now() + absl::Hours(1)});
  const auto connect = [&](const std::shared_ptr<const TlsContext>& to,
                           SSL_SESSION* session,
                           bssl::UniquePtr<SSL_SESSION>* out) {
    server_ = *TlsSession::Create(to);
    ForeignPeer peer(/*server=*/false);
    SSL_set_max_proto_version(peer.ssl(), TLS1_2_VERSION);
    peer.UseCertificate(client_cert_);
    if (session != nullptr) SSL_set_session(peer.ssl(), session);
    const absl::Status status = peer.HandshakeWith(*server_);
    if (out != nullptr) out->reset(SSL_get1_session(peer.ssl()));
    return status;
  };
  bssl::UniquePtr<SSL_SESSION> session;
  ASSERT_THAT(connect(first, nullptr, &session), IsOk());
  EXPECT_FALSE(server_->resumed());
  ASSERT_TRUE(SSL_SESSION_is_resumable(session.get()));

  ASSERT_THAT(connect(first, session.get(), nullptr), IsOk());
  EXPECT_TRUE(server_->resumed());
  ASSERT_TRUE(server_->peer().has_value());
  EXPECT_TRUE(server_->peer()->verified);
  EXPECT_EQ(server_->peer()->leaf.subject, "CN=gw");

  ASSERT_THAT(connect(context(), session.get(), nullptr), IsOk());
  EXPECT_FALSE(server_->resumed());

  // The certificate expires before the ticket does.
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(connect(first, session.get(), nullptr),
              HasReason("PEER_CERTIFICATE_EXPIRED"));
  EXPECT_EQ(server_->state(), State::kFailed);
}

TEST_F(TlsSessionTest, TheServerNameMustBeAHostName) {
  auto context = *TlsContext::Create(Options(TlsRole::kClient, nullptr));
  EXPECT_FALSE(TlsSession::Create(context, std::string(300, 'a')).ok());
}

}  // namespace
}  // namespace sallyport
