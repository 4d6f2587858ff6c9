#include "services/signaling_edge/core/digest_auth.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using Verdict = DigestAuth::Verdict;

std::string Hash(DigestAlgorithm algorithm, std::string_view text) {
  if (algorithm == DigestAlgorithm::kMd5) {
    return HexEncode(Md5(AsBytes(text)));
  }
  return HexEncode(Sha256(AsBytes(text)));
}

// A client, written from RFC 7616 section 3.4 and not from the code.
struct Client {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string username = "1001";
  std::string realm = "demo.sallyport.test";
  std::string password = "correct horse";
  std::string uri = "sip:demo.sallyport.test";
  std::string qop = "auth";
  std::string cnonce = "0a4f113b";

  std::string Ha1() const {
    return Hash(algorithm, Cat(username, ":", realm, ":", password));
  }

  std::string Answer(std::string_view challenge, std::string_view method,
                     std::string_view nc = "00000001") const {
    const auto value = ParseAuthValue(challenge);
    EXPECT_TRUE(value.ok());
    const std::string nonce = value->Get("nonce").value_or("");
    const std::string response =
        Hash(algorithm, Cat(Ha1(), ":", nonce, ":", nc, ":", cnonce, ":", qop,
                            ":", Hash(algorithm, Cat(method, ":", uri))));
    return Cat("Digest username=\"", username, "\", realm=\"", realm,
               "\", nonce=\"", nonce, "\", uri=\"", uri, "\", response=\"",
               response, "\", cnonce=\"", cnonce, "\", qop=", qop, ", nc=", nc,
               ", algorithm=", DigestAlgorithmName(algorithm));
  }
};

class DigestAuthTest : public testing::TestWithParam<DigestAlgorithm> {
 protected:
  DigestAuthTest() : auth_(random_, {.nonce_lifetime = absl::Minutes(10)}) {
    client_.algorithm = GetParam();
    ha1_ = client_.Ha1();
  }

  DigestAuth::Expected Expected() const {
    return {.username = "1001",
            .realm = "demo.sallyport.test",
            .algorithm = GetParam(),
            .ha1 = ha1_};
  }
  std::string Challenge(bool stale = false) {
    return auth_.Challenge("demo.sallyport.test", GetParam(), stale, now_);
  }
  Verdict Check(const std::string& answer,
                std::string_view method = "REGISTER") {
    return auth_.Verify(answer, method, Expected(), now_);
  }

  FakeRandom random_;
  DigestAuth auth_;
  Client client_;
  std::string ha1_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
};

// With the keys of the cluster any edge takes what any has asked for.
TEST(SharedNonceTest, AnyEdgeTakesItOnceAndOthersOnlyShortly) {
  const auto keys = *TokenKeys::Parse(std::string(64, 'a'));
  FakeRandom random;
  const auto make = [&](uint64_t edge, absl::Duration ahead,
                        const std::shared_ptr<const TokenKeys>& with) {
    return std::make_unique<DigestAuth>(
        random, DigestAuth::Options{.nonce_lifetime = absl::Minutes(10),
                                    .keys = with,
                                    .node = {edge, 0},
                                    .to_shared_time = ahead});
  };
  // Each process counts from its own start.
  const auto a = make(1, absl::Hours(100), keys);
  const auto b = make(2, absl::Hours(90), keys);
  const auto stranger =
      make(3, absl::Hours(90), *TokenKeys::Parse(std::string(64, 'b')));
  const Client client;
  const std::string ha1 = client.Ha1();
  const DigestAuth::Expected expected = {.username = "1001",
                                         .realm = client.realm,
                                         .algorithm = client.algorithm,
                                         .ha1 = ha1};
  MonoTime at_a = MonoTime::FromOrigin(absl::Hours(1));
  MonoTime at_b = MonoTime::FromOrigin(absl::Hours(11));
  const std::string challenge =
      a->Challenge(client.realm, client.algorithm, false, at_a);
  const std::string answer = client.Answer(challenge, "INVITE");
  EXPECT_EQ(b->Verify(answer, "INVITE", expected, at_b), Verdict::kAccepted);
  EXPECT_EQ(b->Verify(answer, "INVITE", expected, at_b), Verdict::kStale);
  EXPECT_EQ(stranger->Verify(answer, "INVITE", expected, at_b),
            Verdict::kStale);
  const std::string second = client.Answer(challenge, "INVITE", "00000002");
  at_a += absl::Minutes(2);
  at_b += absl::Minutes(2);
  EXPECT_EQ(b->Verify(second, "INVITE", expected, at_b), Verdict::kStale);
  EXPECT_EQ(a->Verify(second, "INVITE", expected, at_a), Verdict::kAccepted);
}

INSTANTIATE_TEST_SUITE_P(Algorithms, DigestAuthTest,
                         testing::Values(DigestAlgorithm::kSha256,
                                         DigestAlgorithm::kMd5));

TEST_P(DigestAuthTest, AcceptsTheRightPassword) {
  EXPECT_EQ(Check(client_.Answer(Challenge(), "REGISTER")), Verdict::kAccepted);
}

TEST_P(DigestAuthTest, ChallengeNamesOneAlgorithmAndQopAuth) {  // RFC 8760 2.4
  const std::string challenge = Challenge(true);
  const auto value = ParseAuthValue(challenge);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->Get("algorithm"),
            std::string(DigestAlgorithmName(GetParam())));
  EXPECT_EQ(value->Get("qop"), "auth");
  EXPECT_EQ(value->Get("stale"), "true");
  EXPECT_EQ(value->Get("realm"), "demo.sallyport.test");
  EXPECT_NE(Challenge(), Challenge());
}

TEST_P(DigestAuthTest, AcceptsUserAtRealm) {
  Client other = client_;
  const std::string challenge = Challenge();
  std::string answer = other.Answer(challenge, "REGISTER");
  const size_t at = answer.find("\"1001\"");
  answer.replace(at, 6, "\"1001@DEMO.sallyport.test\"");
  EXPECT_EQ(Check(answer), Verdict::kAccepted);
}

TEST_P(DigestAuthTest, RefusesEverythingElse) {
  const std::string challenge = Challenge();
  EXPECT_EQ(Check(client_.Answer(challenge, "INVITE")), Verdict::kFailed);
  Client wrong = client_;
  wrong.password = "guess";
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  wrong = client_;
  wrong.username = "1002";
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  wrong = client_;
  wrong.realm = "other.test";
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  wrong = client_;
  wrong.qop = "auth-int";
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  wrong = client_;
  wrong.algorithm = GetParam() == DigestAlgorithm::kMd5
                        ? DigestAlgorithm::kSha256
                        : DigestAlgorithm::kMd5;
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  wrong = client_;
  wrong.cnonce = std::string(257, 'x');
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
  EXPECT_EQ(Check(client_.Answer(challenge, "REGISTER", "00000000")),
            Verdict::kFailed);
  EXPECT_EQ(Check(client_.Answer(challenge, "REGISTER", "1")),
            Verdict::kFailed);
  for (const char* junk : {"", "Digest", "Basic dXNlcjpwYXNz", "Digest nonce",
                           "Digest username=\"1001\", username=\"1001\""}) {
    EXPECT_EQ(Check(junk), Verdict::kFailed) << junk;
  }
}

TEST_P(DigestAuthTest, EachCountIsGoodOnce) {  // RFC 7616 section 3.4 (nc)
  const std::string challenge = Challenge();
  const auto use = [&](std::string_view nc) {
    return Check(client_.Answer(challenge, "REGISTER", nc));
  };
  EXPECT_EQ(use("00000001"), Verdict::kAccepted);
  EXPECT_EQ(use("00000001"), Verdict::kStale);
  EXPECT_EQ(use("00000003"), Verdict::kAccepted);
  EXPECT_EQ(use("00000002"), Verdict::kAccepted);  // overtaken on the way
  EXPECT_EQ(use("00000002"), Verdict::kStale);
  EXPECT_EQ(use("00000100"), Verdict::kAccepted);
  EXPECT_EQ(use("00000003"), Verdict::kStale);  // outside the window
  EXPECT_EQ(use("000000ff"), Verdict::kAccepted);
  EXPECT_EQ(use("ffffffff"), Verdict::kAccepted);
  EXPECT_EQ(use("ffffffff"), Verdict::kStale);
}

TEST_P(DigestAuthTest, OldNoncesAreStaleOnlyToWhoKnowsThePassword) {
  const std::string challenge = Challenge();
  now_ += absl::Minutes(10) + absl::Seconds(1);
  EXPECT_EQ(Check(client_.Answer(challenge, "REGISTER")), Verdict::kStale);
  Client wrong = client_;
  wrong.password = "guess";
  EXPECT_EQ(Check(wrong.Answer(challenge, "REGISTER")), Verdict::kFailed);
}

TEST_P(DigestAuthTest, NoncesOfOthersAreStale) {
  FakeRandom random(7);
  DigestAuth other(random, {});
  EXPECT_EQ(
      Check(client_.Answer(
          other.Challenge(client_.realm, GetParam(), false, now_), "REGISTER")),
      Verdict::kStale);
  // A changed character, a cut nonce, and one of another realm.
  std::string challenge = Challenge();
  const size_t at = challenge.find("nonce=\"") + 7;
  std::string changed = challenge;
  changed[at] = changed[at] == '0' ? '1' : '0';
  EXPECT_EQ(Check(client_.Answer(changed, "REGISTER")), Verdict::kStale);
  std::string cut = challenge;
  cut.erase(at, 2);
  EXPECT_EQ(Check(client_.Answer(cut, "REGISTER")), Verdict::kStale);
  EXPECT_EQ(
      Check(client_.Answer(
          auth_.Challenge("other.test", GetParam(), false, now_), "REGISTER")),
      Verdict::kStale);
}

TEST_P(DigestAuthTest, AnUnknownUserAlwaysFails) {
  ha1_.clear();
  EXPECT_EQ(Check(client_.Answer(Challenge(), "REGISTER")), Verdict::kFailed);
}

TEST_P(DigestAuthTest, MemoryIsBoundedAndNothingBecomesReplayable) {
  FakeRandom random;
  DigestAuth small(random, {.max_tracked_nonces = 8});
  std::vector<std::string> answers;
  for (int i = 0; i < 50; ++i) {
    now_ += absl::Milliseconds(1);
    answers.push_back(client_.Answer(
        small.Challenge(client_.realm, GetParam(), false, now_), "REGISTER"));
    EXPECT_EQ(small.Verify(answers.back(), "REGISTER", Expected(), now_),
              Verdict::kAccepted);
  }
  for (const std::string& answer : answers) {
    EXPECT_EQ(small.Verify(answer, "REGISTER", Expected(), now_),
              Verdict::kStale);
  }
}

// Loops of one edge: what one has asked for is good at any, once, for its
// whole life.
TEST_P(DigestAuthTest, LoopsOfAnEdgeTakeAnAnswerOnceBetweenThem) {
  const auto keys = *TokenKeys::Parse(std::string(64, 'a'));
  FakeRandom random;
  NonceCounts counts(1024);
  std::vector<std::unique_ptr<DigestAuth>> loops;
  for (uint32_t i = 0; i < 3; ++i) {
    loops.push_back(std::make_unique<DigestAuth>(
        random,
        DigestAuth::Options{.counts = &counts, .keys = keys, .node = {1, i}}));
  }
  const std::string challenge =
      loops[0]->Challenge(client_.realm, GetParam(), false, now_);
  const auto use = [&](size_t loop, std::string_view nc, MonoTime at) {
    return loops[loop]->Verify(client_.Answer(challenge, "REGISTER", nc),
                               "REGISTER", Expected(), at);
  };
  // The clock of another loop may be a little behind.
  EXPECT_EQ(use(1, "00000001", now_ - absl::Milliseconds(1)),
            Verdict::kAccepted);
  for (const size_t loop : {0, 1, 2}) {
    EXPECT_EQ(use(loop, "00000001", now_), Verdict::kStale) << loop;
  }
  now_ += absl::Minutes(9);
  EXPECT_EQ(use(2, "00000002", now_), Verdict::kAccepted);
  EXPECT_EQ(use(0, "00000002", now_), Verdict::kStale);
  now_ += absl::Minutes(2);
  EXPECT_EQ(use(0, "00000003", now_), Verdict::kStale);
}

TEST_P(DigestAuthTest, WhoIsRefusedIsRefusedWithTheRightPassword) {
  DigestAuth::Expected expected = Expected();
  expected.refuse = true;
  EXPECT_EQ(auth_.Verify(client_.Answer(Challenge(), "REGISTER"), "REGISTER",
                         expected, now_),
            Verdict::kFailed);
}

TEST(DigestAuthDrawTest, IsTheSameForTheSameNameAndSpreadOverOthers) {
  FakeRandom random;
  const DigestAuth auth(random, {});
  int low = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = Cat("user", i);
    const uint64_t draw = auth.Draw(name, "d.test");
    EXPECT_EQ(auth.Draw(name, "d.test"), draw);
    EXPECT_NE(auth.Draw(name, "e.test"), draw);
    low += draw % 100 < 30 ? 1 : 0;
  }
  EXPECT_GT(low, 220);
  EXPECT_LT(low, 380);
}

}  // namespace
}  // namespace sallyport::signaling_edge
