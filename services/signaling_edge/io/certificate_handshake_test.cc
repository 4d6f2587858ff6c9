// Every kind of certificate by every policy through handshakes of TLS 1.2 and
// 1.3, as the edge is called and as it calls (RFC 5922 sections 7.3, 7.4). The
// far side is bare BoringSSL on a socket.

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/fake_random.h"
#include "services/common/testing/test_certs.h"
#include "services/signaling_edge/core/certificate_kinds.h"
#include "services/signaling_edge/io/edge_loop.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint16_t kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

template <typename T>
bssl::UniquePtr<T> FromPem(const std::string& pem,
                           T* (*read)(BIO*, T**, pem_password_cb*, void*)) {
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return bssl::UniquePtr<T>(read(bio.get(), nullptr, nullptr, nullptr));
}

// One end of a TLS connection of a single version, never blocking.
class FarSide {
 public:
  // `own`: null, or what it shows.
  FarSide(int fd, bool server, uint16_t version, const TestCertificate* own)
      : context_(SSL_CTX_new(TLS_method())), fd_(fd) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_verify(context_.get(), server ? SSL_VERIFY_PEER : 0, nullptr);
    SSL_CTX_set_custom_verify(context_.get(),
                              server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                              [](SSL*, uint8_t*) { return ssl_verify_ok; });
    if (own != nullptr) {
      SSL_CTX_use_certificate(context_.get(),
                              FromPem<X509>(own->pem, PEM_read_bio_X509).get());
      SSL_CTX_use_PrivateKey(
          context_.get(),
          FromPem<EVP_PKEY>(own->key_pem, PEM_read_bio_PrivateKey).get());
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    server ? SSL_set_accept_state(ssl_.get())
           : SSL_set_connect_state(ssl_.get());
    if (!server) SSL_set_tlsext_host_name(ssl_.get(), "edge.test");
  }
  ~FarSide() { close(fd_); }
  FarSide(const FarSide&) = delete;
  FarSide& operator=(const FarSide&) = delete;

  // Goes on with what has come; a server answers OPTIONS.
  void Turn() {
    if (over_) return;
    char octets[4096];
    const int n = SSL_read(ssl_.get(), octets, sizeof(octets));
    if (n > 0) {
      heard_.append(octets, static_cast<size_t>(n));
      return;
    }
    const int error = SSL_get_error(ssl_.get(), n);
    over_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
  }
  bool over() const { return over_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  const std::string& heard() const { return heard_; }
  void Offer(SSL_SESSION* session) { SSL_set_session(ssl_.get(), session); }
  bssl::UniquePtr<SSL_SESSION> Session() const {
    return bssl::UniquePtr<SSL_SESSION>(SSL_get1_session(ssl_.get()));
  }
  bool has_ticket() const {
    const auto session = Session();
    return session != nullptr && SSL_SESSION_has_ticket(session.get()) == 1;
  }

 private:
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
  int fd_;
  bool over_ = false;
  std::string heard_;
};

class CertificateHandshakeTest : public testing::Test {
 protected:
  CertificateHandshakeTest() {
    EdgeLoop::Options options;
    ListenerSpec spec;
    spec.transport = SipTransport::kTls;
    spec.bind = SocketAddress::LoopbackV4(0);
    spec.logical_port = 5061;
    options.listeners.push_back(spec);
    options.core.max_connections_per_source = 1000;
    options.core.connections_per_second_per_source = 1e6;
    options.on_event = [this](EdgeLoop&, const EdgeEvent& e) {
      if (e.type == EdgeEvent::Type::kRefused) refusal_ = e.reason;
    };
    edge_ = *EdgeLoop::Create(*loop_, std::move(options), random_);
    capf::v1::WatchTrustBundleResponse message;
    message.set_version(1);
    message.set_full(true);
    for (const char* store : {"CallManager-trust", "CAPF-trust"}) {
      auto& out = *message.add_stores();
      out.set_name(std::string("tenants/t/trustStores/") + store);
      out.add_certificates(ca_.certificate().der);
    }
    const auto bundle = TrustBundle::Make(message, {});
    TlsFileSet files;
    const TestCertificate own = ca_.IssueDns("edge.test");
    files.certificate_file = WriteTestFile("edge.pem", own.pem);
    files.key_file = WriteTestFile("edge.key", own.key_pem);
    edge_->SetTrust(*bundle, *MakeTlsContexts(files, *bundle, 1));
  }

  void SetPlan(std::shared_ptr<PlanSnapshot> plan) {
    edge_->SetPlan(*Resolver::Create(std::move(plan)));
  }

  void RunUntil(FarSide* far, const std::function<bool()>& done) {
    const MonoTime start = loop_->RefreshNow();
    while (!done()) {
      ASSERT_LT(loop_->now() - start, absl::Seconds(5)) << "timed out";
      if (far != nullptr) far->Turn();
      loop_->RunOnce(absl::Milliseconds(1));
    }
  }

  std::unique_ptr<FarSide> Call(uint16_t version, const TestCertificate* own) {
    const SocketAddress address = edge_->listeners().bound(0);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return std::make_unique<FarSide>(fd, false, version, own);
  }

  // Who calls the edge with it: the resource's last letter, or "-".
  std::string Caller(uint16_t version, const TestCertificate& own) {
    refusal_.clear();
    auto far = Call(version, &own);
    std::string found;
    RunUntil(far.get(), [&] {
      for (const Connection* each : edge_->core().connections().All()) {
        if (each->identity.has_value()) {
          EXPECT_EQ(each->tls->version,
                    version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
          found = each->identity->resource.substr(
              each->identity->resource.size() - 1);
        }
      }
      return !found.empty() || !refusal_.empty();
    });
    if (found.empty()) RunUntil(far.get(), [&] { return far->over(); });
    EXPECT_EQ(far->heard(), "");  // nothing is told to who is refused
    far.reset();
    RunUntil(nullptr, [&] { return edge_->core().connections().size() == 0; });
    return found.empty() ? "-" : found;
  }

  // Whether the edge believes who it calls.
  bool Believes(const std::string& peer, uint16_t version,
                const TestCertificate& own, int listener) {
    std::optional<PeerCheckResult> result;
    edge_->CheckPeer({.peer = peer, .secured = true},
                     [&](absl::StatusOr<PeerCheckResult> r) { result = *r; });
    std::unique_ptr<FarSide> far;
    // It never answers, and is closed once the identity was judged.
    RunUntil(nullptr, [&] {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd >= 0) far = std::make_unique<FarSide>(fd, true, version, &own);
      return far != nullptr || result.has_value();
    });
    if (far == nullptr) return false;
    RunUntil(far.get(), [&] {
      return result.has_value() ||
             far->heard().find("OPTIONS") != std::string::npos;
    });
    const bool heard = !far->heard().empty();
    far.reset();
    RunUntil(nullptr, [&] { return result.has_value(); });
    bool believed = false;
    for (const PeerCheckStep& step : result->steps) {
      believed |= step.step == "identity" && step.succeeded;
    }
    EXPECT_EQ(heard, believed) << "spoken to without being believed";
    return believed;
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  FakeRandom random_;
  TestCa ca_{"Peers"};
  std::string refusal_;
  std::unique_ptr<EdgeLoop> edge_;
};

TEST_F(CertificateHandshakeTest, WhoeverCalls) {
  const struct {
    bool fqdn, subjects, phone;
    const char* CertificateKind::*owner;
  } kPolicies[] = {{true, false, false, &CertificateKind::peer_by_fqdn},
                   {false, true, false, &CertificateKind::peer_by_subjects},
                   {false, false, true, &CertificateKind::phone}};
  for (const CertificateKind& kind : kCertificateKinds) {
    const TestCertificate own = ca_.Issue(kind.spec);
    for (const uint16_t version : kVersions) {
      SetPlan(PlanOfKinds(true, true, true));
      EXPECT_EQ(Caller(version, own), OwnerAmongAll(kind))
          << kind.name << " " << version;
      if (std::string(kind.name) == "two_peers") continue;
      for (const auto& policy : kPolicies) {
        SetPlan(PlanOfKinds(policy.fqdn, policy.subjects, policy.phone));
        EXPECT_EQ(Caller(version, own), kind.*policy.owner)
            << kind.name << " " << version;
      }
    }
  }
}

TEST_F(CertificateHandshakeTest, WhoeverIsCalled) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(listen(listener, 64), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
  auto plan = PlanOfKinds(true, true, false);
  for (PeerEntry& peer : plan->peers) {
    peer.address = "127.0.0.1";
    peer.port = ntohs(at.sin_port);
  }
  SetPlan(std::move(plan));
  for (const CertificateKind& kind : kCertificateKinds) {
    const TestCertificate own = ca_.Issue(kind.spec);
    const std::string name = kind.name;
    // The one that is dialled is asked for; what the certificate may do is that
    // of servers here.
    const bool both = name == "two_peers";
    const bool fqdn =
        both || name == "server_only" || kind.peer_by_fqdn != std::string("-");
    const bool subjects = both || kind.peer_by_subjects != std::string("-");
    for (const uint16_t version : kVersions) {
      EXPECT_EQ(Believes("tenants/t/peers/f", version, own, listener), fqdn)
          << name << " " << version;
      EXPECT_EQ(Believes("tenants/t/peers/s", version, own, listener), subjects)
          << name << " " << version;
    }
  }
  close(listener);
}

// A session that is offered again proves nothing: the handshake is a whole one,
// and the certificate of now counts.
TEST_F(CertificateHandshakeTest, NoSessionIsResumed) {
  SetPlan(PlanOfKinds(true, true, true));
  const TestCertificate own = ca_.Issue({.dns_names = {"gw.test"}});
  for (const uint16_t version : kVersions) {
    auto first = Call(version, &own);
    RunUntil(first.get(),
             [&] { return edge_->core().connections().size() == 1; });
    EXPECT_FALSE(first->has_ticket());
    const auto session = first->Session();
    auto stranger = Call(version, nullptr);
    if (session != nullptr) stranger->Offer(session.get());
    RunUntil(stranger.get(),
             [&] { return edge_->core().connections().size() == 2; });
    EXPECT_FALSE(stranger->resumed());
    EXPECT_FALSE(
        edge_->core().connections().All().back()->identity.has_value());
    first.reset();
    stranger.reset();
    RunUntil(nullptr, [&] { return edge_->core().connections().size() == 0; });
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
