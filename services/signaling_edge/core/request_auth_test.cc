#include "services/signaling_edge/core/request_auth.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

std::string Md5Hex(std::string_view text) {
  return HexEncode(Md5(AsBytes(text)));
}

std::string Sha256Hex(std::string_view text) {
  return HexEncode(Sha256(AsBytes(text)));
}

std::shared_ptr<const PlanSnapshot> Plan() {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->tenants = {{.name = "tenants/t", .domains = {"d.test"}}};
  plan->dial_plans = {
      {.name = "tenants/t/dialPlans/clear",
       .security_mode = SecurityMode::kUnsecured},
      {.name = "tenants/t/dialPlans/gateway",
       .security_mode = SecurityMode::kSipSecured},
      {.name = "tenants/t/dialPlans/secured",
       .security_mode = SecurityMode::kSecured},
  };
  plan->peers = {
      {.name = "tenants/t/peers/clear",
       .dial_plan = "tenants/t/dialPlans/clear",
       .address = "192.0.2.10",
       .port = 5060,
       .transport = sallyport::SipTransport::kTcp,
       .incoming_port = 5060},
      {.name = "tenants/t/peers/gw",
       .dial_plan = "tenants/t/dialPlans/gateway",
       .fqdn = "gw.d.test",
       .port = 5061,
       .transport = sallyport::SipTransport::kTls,
       .incoming_port = 5061},
      {.name = "tenants/t/peers/net",
       .dial_plan = "tenants/t/dialPlans/clear",
       .fqdn = "net.d.test",
       .port = 5060,
       .transport = sallyport::SipTransport::kUdp,
       .incoming_port = 5060,
       .source_addresses = {"198.51.100.0/25", "2001:db8::/33"}},
  };
  const auto user = [](std::string name, std::string dial_plan, bool bare) {
    UserEntry entry;
    entry.name = "tenants/t/users/" + name;
    entry.username = name;
    entry.domain = entry.realm = "d.test";
    entry.dial_plan = "tenants/t/dialPlans/" + dial_plan;
    entry.digest_algorithm = DigestAlgorithm::kMd5;
    entry.ha1_md5 = Md5Hex(Cat(name, ":d.test:pw"));
    entry.allow_without_certificate = bare;
    return entry;
  };
  plan->users = {user("alice", "secured", false), user("bob", "clear", false),
                 user("carol", "secured", true), user("off", "secured", true)};
  plan->users[3].disabled = true;
  plan->phones = {{.name = "tenants/t/phones/SEP1",
                   .device_name = "SEP1",
                   .dial_plan = "tenants/t/dialPlans/secured",
                   .owner_user = "tenants/t/users/alice"}};
  ResolveDefaults(*plan);
  return plan;
}

class RequestAuthTest : public testing::Test {
 protected:
  RequestAuthTest() : digest_(random_, {}), auth_(digest_), plan_(Plan()) {
    auth_.SetPlan(&plan_);
  }

  static Flow From(SipTransport transport, std::string_view ip) {
    return {.transport = transport,
            .connection = transport == SipTransport::kUdp ? 0u : 7u,
            .remote = *SocketAddress::FromIp(ip, 4444)};
  }

  static SipMessage Request(SipMethod method, std::string_view user,
                            std::string_view domain = "d.test") {
    SipMessage request = SipMessage::Request(method, "sip:d.test");
    request.Add(HeaderId::kFrom, Cat("<sip:", user, "@", domain, ">;tag=1"));
    request.Add(HeaderId::kTo, Cat("<sip:", user, "@", domain, ">"));
    return request;
  }

  RequestAuth::Outcome Run(
      const SipMessage& request, const Flow& flow,
      std::optional<ConnectionIdentity> identity = std::nullopt) {
    return auth_.Authenticate(request, flow, identity,
                              flow.is_tls() ? 5061 : 5060, now_);
  }

  // Challenges, answers with `password` after a while and asks again.
  RequestAuth::Outcome Login(
      SipMethod method, std::string_view user, std::string_view password,
      const Flow& flow,
      std::optional<ConnectionIdentity> identity = std::nullopt,
      absl::Duration thinks = absl::ZeroDuration()) {
    SipMessage request = Request(method, user);
    const auto first = Run(request, flow, identity);
    const auto* challenge = std::get_if<RequestAuth::Challenge>(&first);
    if (challenge == nullptr) return first;
    EXPECT_TRUE(challenge->reason.empty());
    const bool is_register = method == SipMethod::kRegister;
    EXPECT_EQ(challenge->status_code, is_register ? 401 : 407);
    EXPECT_EQ(challenge->header, is_register ? HeaderId::kWwwAuthenticate
                                             : HeaderId::kProxyAuthenticate);
    const auto value = ParseAuthValue(challenge->value);
    const std::string nonce = value->Get("nonce").value_or("");
    const std::string response = Md5Hex(
        Cat(Md5Hex(Cat(user, ":d.test:", password)), ":", nonce,
            ":00000001:c:auth:", Md5Hex(Cat(MethodName(method), ":sip:x"))));
    request.Add(
        is_register ? HeaderId::kAuthorization : HeaderId::kProxyAuthorization,
        Cat("Digest username=\"", user, "\", realm=\"d.test\", nonce=\"", nonce,
            "\", uri=\"sip:x\", response=\"", response,
            "\", cnonce=\"c\", nc=00000001, qop=auth, algorithm=MD5"));
    now_ += thinks;
    return Run(request, flow, identity);
  }

  static std::string ReasonIn(const RequestAuth::Outcome& outcome) {
    if (const auto* refused = std::get_if<RequestAuth::Refused>(&outcome)) {
      return ReasonOf(refused->status);
    }
    if (const auto* c = std::get_if<RequestAuth::Challenge>(&outcome)) {
      return Cat(c->status_code, " ", c->reason);
    }
    return std::get<Party>(outcome).resource;
  }

  static ConnectionIdentity Phone() {
    return {ConnectionIdentity::Kind::kPhone,
            "tenants/t/phones/SEP1",
            {"SEP1", NameSource::kCommonName}};
  }

  FakeRandom random_;
  DigestAuth digest_;
  RequestAuth auth_;
  const PlanIndex plan_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  const Flow tls_ = From(SipTransport::kTls, "203.0.113.5");
  const Flow udp_ = From(SipTransport::kUdp, "203.0.113.5");
};

TEST_F(RequestAuthTest, APeerIsWhatItsCertificateSays) {
  const auto outcome =
      Run(Request(SipMethod::kInvite, "alice"), tls_,
          ConnectionIdentity{ConnectionIdentity::Kind::kPeer,
                             "tenants/t/peers/gw",
                             {"gw.d.test", NameSource::kDnsSan}});
  ASSERT_TRUE(std::holds_alternative<Party>(outcome)) << ReasonIn(outcome);
  const Party& party = std::get<Party>(outcome);
  EXPECT_EQ(party.resource, "tenants/t/peers/gw");
  EXPECT_EQ(party.tenant, "tenants/t");
  EXPECT_EQ(party.identity, "gw.d.test");
  EXPECT_EQ(party.mode, SecurityMode::kSipSecured);
  EXPECT_EQ(party.authentication, Authentication::kPeerCertificate);
}

TEST_F(RequestAuthTest, AClearPeerIsKnownByItsSource) {
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "5551234"),
                         From(SipTransport::kTcp, "192.0.2.10"))),
            "tenants/t/peers/clear");
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "5551234"),
                         From(SipTransport::kUdp, "::ffff:192.0.2.10"))),
            "tenants/t/peers/clear");
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "x"),
                         From(SipTransport::kUdp, "198.51.100.127"))),
            "tenants/t/peers/net");
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "x"),
                         From(SipTransport::kUdp, "2001:db8:7fff::1"))),
            "tenants/t/peers/net");
  // Just outside, and by the right address but TLS.
  for (const Flow& flow : {From(SipTransport::kUdp, "198.51.100.128"),
                           From(SipTransport::kUdp, "2001:db8:8000::1"),
                           From(SipTransport::kTls, "192.0.2.10")}) {
    EXPECT_NE(
        ReasonIn(Run(Request(SipMethod::kInvite, "x"), flow)).substr(0, 7),
        "tenants");
  }
}

TEST_F(RequestAuthTest, APhoneShowsItsLscAndItsPassword) {
  const auto outcome =
      Login(SipMethod::kRegister, "alice", "pw", tls_, Phone());
  ASSERT_TRUE(std::holds_alternative<Party>(outcome)) << ReasonIn(outcome);
  const Party& party = std::get<Party>(outcome);
  EXPECT_EQ(party.resource, "tenants/t/users/alice");
  EXPECT_EQ(party.phone, "tenants/t/phones/SEP1");
  EXPECT_EQ(party.authentication, Authentication::kLscAndDigestMd5);
  EXPECT_EQ(party.mode, SecurityMode::kSecured);
  EXPECT_TRUE(std::holds_alternative<Party>(
      Login(SipMethod::kInvite, "alice", "pw", tls_, Phone())));
  EXPECT_EQ(ReasonIn(Login(SipMethod::kRegister, "alice", "x", tls_, Phone())),
            "401 DIGEST_FAILED");
  // Her phone, another user's password.
  EXPECT_EQ(ReasonIn(Login(SipMethod::kRegister, "carol", "pw", tls_, Phone())),
            "IDENTITY_NOT_ALLOWED");
}

// A phone of a profile without digest is proven by its LSC, and is its owner
// alone; whom else it names is told nothing of (design.md section 6, CCE-43,
// CCE-51).
TEST_F(RequestAuthTest, AnLscAloneIsProofWhereTheProfileSaysSo) {
  PlanSnapshot snapshot = plan_.snapshot();
  snapshot.phones[0].lsc_alone = true;
  const PlanIndex plan(std::make_shared<const PlanSnapshot>(snapshot));
  auth_.SetPlan(&plan);
  for (const SipMethod method : {SipMethod::kRegister, SipMethod::kInvite}) {
    const auto outcome = Run(Request(method, "alice"), tls_, Phone());
    ASSERT_TRUE(std::holds_alternative<Party>(outcome)) << ReasonIn(outcome);
    const Party& party = std::get<Party>(outcome);
    EXPECT_EQ(party.resource, "tenants/t/users/alice");
    EXPECT_EQ(party.phone, "tenants/t/phones/SEP1");
    EXPECT_EQ(party.identity, "SEP1");
    EXPECT_EQ(party.authentication, Authentication::kLsc);
    EXPECT_EQ(party.mode, SecurityMode::kSecured);
  }
  // Without it she is who she was, and so are others.
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kRegister, "alice"), tls_)),
            "401 ");
  for (const char* other : {"carol", "nobody", "off"}) {
    const auto outcome =
        Run(Request(SipMethod::kRegister, other), tls_, Phone());
    ASSERT_EQ(ReasonIn(outcome), "IDENTITY_NOT_ALLOWED") << other;
    EXPECT_EQ(std::get<RequestAuth::Refused>(outcome).party->resource,
              "tenants/t/users/alice");
  }
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "alice", "other.test"),
                         tls_, Phone())),
            "IDENTITY_NOT_ALLOWED");

  const auto refused_with = [&](auto change) {
    PlanSnapshot other = snapshot;
    change(other);
    const PlanIndex index(std::make_shared<const PlanSnapshot>(other));
    RequestAuth auth(digest_, "edge-1");
    auth.SetPlan(&index);
    return ReasonIn(auth.Authenticate(Request(SipMethod::kRegister, "alice"),
                                      tls_, Phone(), 5061, now_));
  };
  EXPECT_EQ(refused_with([](PlanSnapshot& p) { p.phones[0].disabled = true; }),
            "PHONE_DISABLED");
  EXPECT_EQ(refused_with([](PlanSnapshot& p) { p.users[0].disabled = true; }),
            "USER_DISABLED");
  EXPECT_EQ(refused_with([](PlanSnapshot& p) { p.phones[0].owner_user = ""; }),
            "IDENTITY_NOT_ALLOWED");
  EXPECT_EQ(refused_with([](PlanSnapshot& p) {
              p.dial_plans[2].edges = {"another-edge"};
            }),
            "DIAL_PLAN_NOT_SERVED");
  EXPECT_EQ(refused_with([](PlanSnapshot& p) {
              p.users[0].dial_plan = "tenants/t/dialPlans/clear";
            }),
            "SECURITY_MODE_TLS_NOT_ALLOWED");
  EXPECT_EQ(refused_with([](PlanSnapshot& p) { p.phones.clear(); }),
            "PEER_IDENTITY_MISMATCH");
}

// CCE-33: by the incoming transports of the trunk security profile alone.
TEST_F(RequestAuthTest, APeerComesByItsProfilesTransports) {
  PlanSnapshot snapshot = plan_.snapshot();
  snapshot.peers[0].incoming_transports = {sallyport::SipTransport::kUdp};
  const PlanIndex plan(std::make_shared<const PlanSnapshot>(snapshot));
  auth_.SetPlan(&plan);
  const Flow udp = From(SipTransport::kUdp, "192.0.2.10");
  const Flow tcp = From(SipTransport::kTcp, "192.0.2.10");
  const SipMessage invite = Request(SipMethod::kInvite, "5551234");
  EXPECT_EQ(ReasonIn(Run(invite, udp)), "tenants/t/peers/clear");
  EXPECT_EQ(auth_.PeerOf(udp, std::nullopt, 5060)->resource,
            "tenants/t/peers/clear");
  const auto outcome = Run(invite, tcp);
  EXPECT_EQ(ReasonIn(outcome), "TRANSPORT_NOT_ALLOWED");
  // Its address is no proof by that way.
  EXPECT_FALSE(std::get<RequestAuth::Refused>(outcome).party.has_value());
  EXPECT_FALSE(auth_.PeerOf(tcp, std::nullopt, 5060).has_value());
}

// Nonces live as long as the profile of the phone or trunk says.
TEST_F(RequestAuthTest, NoncesLiveAsTheProfileSays) {
  PlanSnapshot snapshot = plan_.snapshot();
  snapshot.phones[0].nonce_validity = absl::Seconds(20);
  snapshot.users[2].nonce_validity = absl::Seconds(40);  // carol
  snapshot.peers[0].digest_user = "tenants/t/users/bob";
  snapshot.peers[0].nonce_validity = absl::Seconds(60);
  const PlanIndex plan(std::make_shared<const PlanSnapshot>(snapshot));
  auth_.SetPlan(&plan);
  const auto lives = [&](std::string_view user, const Flow& flow,
                         std::optional<ConnectionIdentity> identity) {
    for (int seconds = 10;; seconds += 10) {
      now_ = MonoTime::FromOrigin(absl::Hours(1));
      const std::string reason =
          ReasonIn(Login(SipMethod::kInvite, user, "pw", flow, identity,
                         absl::Seconds(seconds)));
      if (reason == "407 DIGEST_STALE") return seconds - 10;
      EXPECT_NE(reason.substr(0, 3), "407") << reason;
      if (seconds == 1000) return seconds;
    }
  };
  EXPECT_EQ(lives("alice", tls_, Phone()), 20);
  EXPECT_EQ(lives("carol", tls_, std::nullopt), 40);
  EXPECT_EQ(lives("bob", From(SipTransport::kTcp, "192.0.2.10"), std::nullopt),
            60);
  EXPECT_EQ(lives("bob", udp_, std::nullopt), 600);
}

// IMP-70: in FIPS mode a user with MD5 is challenged for SHA-256 like anybody,
// and let in by nothing; others come as before.
TEST_F(RequestAuthTest, InFipsModeNobodyComesByMd5) {
  RequestAuth auth(digest_, "", /*approved_only=*/true);
  PlanSnapshot snapshot = plan_.snapshot();
  UserEntry sha = snapshot.users[1];
  sha.name = "tenants/t/users/dora";
  sha.username = "dora";
  sha.digest_algorithm = DigestAlgorithm::kSha256;
  sha.ha1_md5.clear();
  sha.ha1_sha256 = Sha256Hex("dora:d.test:pw");
  snapshot.users.push_back(sha);
  const PlanIndex plan(std::make_shared<const PlanSnapshot>(snapshot));
  auth.SetPlan(&plan);
  const auto ask = [&](std::string_view user, std::string_view algorithm,
                       std::string (*hex)(std::string_view)) {
    SipMessage request = Request(SipMethod::kInvite, user);
    const auto first =
        auth.Authenticate(request, udp_, std::nullopt, 5060, now_);
    const auto value =
        ParseAuthValue(std::get<RequestAuth::Challenge>(first).value);
    EXPECT_EQ(value->Get("algorithm"), "SHA-256");
    const std::string nonce = value->Get("nonce").value_or("");
    request.Add(
        HeaderId::kProxyAuthorization,
        Cat("Digest username=\"", user, "\", realm=\"d.test\", nonce=\"", nonce,
            "\", uri=\"sip:x\", response=\"",
            hex(Cat(hex(Cat(user, ":d.test:pw")), ":", nonce,
                    ":00000001:c:auth:", hex("INVITE:sip:x"))),
            "\", cnonce=\"c\", nc=00000001, qop=auth, algorithm=", algorithm));
    return ReasonIn(auth.Authenticate(request, udp_, std::nullopt, 5060, now_));
  };
  EXPECT_EQ(ask("bob", "MD5", Md5Hex), "407 NOT_ALLOWED_IN_FIPS_MODE");
  EXPECT_EQ(ask("bob", "SHA-256", Sha256Hex), "407 NOT_ALLOWED_IN_FIPS_MODE");
  EXPECT_EQ(ask("nobody", "SHA-256", Sha256Hex), "407 DIGEST_FAILED");
  EXPECT_EQ(ask("dora", "MD5", Md5Hex), "407 DIGEST_FAILED");
  EXPECT_EQ(ask("dora", "SHA-256", Sha256Hex), "tenants/t/users/dora");
}

// UM-05, UM-54, UM-123: an edge serves the plans that it is associated with, by
// the plan of the moment; nobody learns of it without a password.
TEST_F(RequestAuthTest, Um05OnlyAssociatedPlansAreServed) {
  RequestAuth auth(digest_, "edge-1");
  PlanSnapshot snapshot = plan_.snapshot();
  snapshot.dial_plans[0].edges = {"edge-0"};
  const PlanIndex index(std::make_shared<PlanSnapshot>(snapshot));
  auth.SetPlan(&index);
  const SipMessage invite = Request(SipMethod::kInvite, "5551234");
  const Flow peer = From(SipTransport::kTcp, "192.0.2.10");
  EXPECT_EQ(ReasonIn(auth.Authenticate(invite, peer, std::nullopt, 5060, now_)),
            "DIAL_PLAN_NOT_SERVED");
  const SipMessage login = Request(SipMethod::kRegister, "bob");
  EXPECT_EQ(ReasonIn(auth.Authenticate(login, udp_, std::nullopt, 5060, now_)),
            "401 ");
  // The next plan associates us, and it holds at once.
  snapshot.dial_plans[0].edges.push_back("edge-1");
  const PlanIndex next(std::make_shared<PlanSnapshot>(snapshot));
  auth.SetPlan(&next);
  EXPECT_EQ(ReasonIn(auth.Authenticate(invite, peer, std::nullopt, 5060, now_)),
            "tenants/t/peers/clear");
}

// UM-57: on the secure listener, users alone.
// CCE-43: an encrypted phone comes with its LSC, unless its profile says else.
TEST_F(RequestAuthTest, WithoutCertificateOnlyWhoMay) {
  EXPECT_EQ(ReasonIn(Login(SipMethod::kRegister, "alice", "pw", tls_)),
            "PEER_CERTIFICATE_MISSING");
  EXPECT_EQ(ReasonIn(Login(SipMethod::kRegister, "carol", "pw", tls_)),
            "tenants/t/users/carol");
}

TEST_F(RequestAuthTest, ModesHoldBeforeAnyChallenge) {  // UM-100
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kRegister, "alice"), udp_)),
            "SECURITY_MODE_TLS_REQUIRED");
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kRegister, "bob"), tls_)),
            "SECURITY_MODE_TLS_NOT_ALLOWED");
  EXPECT_EQ(ReasonIn(Login(SipMethod::kInvite, "bob", "pw", udp_)),
            "tenants/t/users/bob");
}

TEST_F(RequestAuthTest, UnknownUsersLookLikeKnownOnes) {
  // All users have MD5 here, so unknown ones are asked for MD5 too; a disabled
  // one and a wrong password are answered alike.
  int challenged = 0;
  for (int i = 0; i < 64; ++i) {
    const auto outcome =
        Run(Request(SipMethod::kRegister, Cat("nobody", i)), tls_);
    if (const auto* c = std::get_if<RequestAuth::Challenge>(&outcome)) {
      ++challenged;
      EXPECT_NE(c->value.find("algorithm=MD5"), std::string::npos);
      const auto known = Run(Request(SipMethod::kRegister, "carol"), tls_);
      EXPECT_EQ(std::get<RequestAuth::Challenge>(known).value.size(),
                c->value.size());
    } else {
      EXPECT_EQ(ReasonIn(outcome), "SECURITY_MODE_TLS_NOT_ALLOWED");
    }
  }
  EXPECT_GT(challenged, 32);  // three in four users are on TLS
  EXPECT_LT(challenged, 64);
  EXPECT_EQ(ReasonIn(Login(SipMethod::kRegister, "off", "pw", tls_)),
            "401 DIGEST_FAILED");
}

// Nor are they told from known ones by how their domain is written.
TEST_F(RequestAuthTest, TheDomainsCaseTellsNothing) {
  const auto realm = [&](std::string_view user, std::string_view domain) {
    const auto outcome = Run(Request(SipMethod::kRegister, user, domain), tls_);
    const auto* c = std::get_if<RequestAuth::Challenge>(&outcome);
    if (c == nullptr) return std::string("none");
    return ParseAuthValue(c->value)->Get("realm").value_or("");
  };
  EXPECT_EQ(realm("carol", "D.Test"), "d.test");
  for (int i = 0; i < 16; ++i) {
    const std::string user = Cat("nobody", i);
    const std::string usual = realm(user, "d.test");
    EXPECT_TRUE(usual == "d.test" || usual == "none") << usual;
    EXPECT_EQ(realm(user, "D.Test"), usual);
    EXPECT_EQ(realm(user, "d.TEST"), usual);
  }
}

TEST_F(RequestAuthTest, StrangersAreRefused) {
  EXPECT_EQ(
      ReasonIn(Run(Request(SipMethod::kInvite, "alice", "other.test"), tls_)),
      "IDENTITY_NOT_ALLOWED");
  SipMessage tel = SipMessage::Request(SipMethod::kInvite, "sip:d.test");
  tel.Add(HeaderId::kFrom, "<tel:+15551234>;tag=1");
  EXPECT_EQ(ReasonIn(Run(tel, tls_)), "IDENTITY_NOT_ALLOWED");
  auth_.SetPlan(nullptr);
  EXPECT_EQ(ReasonIn(Run(Request(SipMethod::kInvite, "alice"), tls_)),
            "NO_CONFIGURATION");
}

}  // namespace
}  // namespace sallyport::signaling_edge
