// Whether a user exists is not told to who has not its password: not by the
// status, not by which header fields there are, not by the size of the answer,
// not by whether there is one. Times are compared by
// edge_enumeration_benchmark.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

// Users of the same length, of whom some exist: "bob01" as the domain's others
// are, "bob02" disabled, "bob03" with another password, "bob04" not at all.
class EdgeEnumerationTest : public EdgeCoreTest {
 protected:
  static constexpr char kFrom[] = "203.0.113.5:5060";

  // So many wrong passwords would be slowed down.
  static EdgeOptions Unlimited() {
    EdgeOptions options = EdgeHarness::Options();
    options.requests_per_second_per_source = 10'000;
    return options;
  }

  EdgeEnumerationTest() : EdgeCoreTest(Unlimited()) {
    auto plan = TestPlan();
    const UserEntry bob = plan->users[1];
    plan->users.clear();
    for (const char* name : {"bob01", "bob02", "bob03"}) {
      UserEntry user = bob;
      user.name = Cat("tenants/t/users/", name);
      user.username = name;
      plan->users.push_back(user);
    }
    plan->users[1].disabled = true;
    ResolveDefaults(*plan);
    edge_.Load(plan);
  }

  static std::string Text(std::string_view method, std::string_view user,
                          int number) {
    return Cat(method, " sip:d.test SIP/2.0\nVia: SIP/2.0/UDP ",
               "203.0.113.5:5060;branch=z9hG4bK", method, user, number,
               "\nMax-Forwards: 70\nFrom: <sip:", user,
               "@d.test>;tag=r\nTo: <sip:", user, "@d.test>\nCall-ID: ", user,
               "\nCSeq: ", number, " ", method, "\nContact: <sip:", user,
               "@203.0.113.5>");
  }

  // The answers to a request without credentials, with wrong ones for the
  // nonce that it gave, and to the same again.
  std::vector<SipMessage> Probe(std::string_view method,
                                std::string_view user) {
    std::vector<SipMessage> out;
    std::string text = Text(method, user, 1);
    for (int number = 1; number <= 3; ++number) {
      edge_.ReceiveUdp(kFrom, text);
      const auto answer = edge_.TakeToUdp(kFrom);
      EXPECT_TRUE(answer.has_value()) << method << user << number;
      if (!answer) return out;
      EXPECT_FALSE(edge_.TakeToUdp(kFrom).has_value());
      out.push_back(answer->message);
      // "pw" is nobody's here: HA1 is of another name.
      text = EdgeHarness::WithDigest(Text(method, user, number + 1), *answer,
                                     user, method, "sip:d.test");
    }
    return out;
  }

  static std::string Fields(const SipMessage& message) {
    std::string out = Cat(message.status_code(), " ", message.reason_phrase());
    for (size_t i = 0; i < message.header_count(); ++i) {
      CatTo(out, " ", message.header(i).name, ":",
            message.header(i).value.size());
    }
    return out;
  }
};

TEST_F(EdgeEnumerationTest, AllOfThemGetTheSameAnswers) {
  for (const char* method : {"REGISTER", "INVITE", "SUBSCRIBE", "REFER"}) {
    const std::vector<SipMessage> known = Probe(method, "bob01");
    ASSERT_EQ(known.size(), 3u);
    for (const char* user : {"bob02", "bob03", "bob04"}) {
      const std::vector<SipMessage> other = Probe(method, user);
      ASSERT_EQ(other.size(), 3u);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(Fields(other[i]), Fields(known[i])) << method << user << i;
        EXPECT_EQ(WriteSipMessage(other[i]).size(),
                  WriteSipMessage(known[i]).size())
            << method << user << i;
        // And with the same parameters in the challenge.
        const auto challenge = [](const SipMessage& message) {
          const bool proxy = message.status_code() == 407;
          const auto value =
              ParseAuthValue(message.Value(proxy ? HeaderId::kProxyAuthenticate
                                                 : HeaderId::kWwwAuthenticate));
          std::string names;
          if (!value.ok()) return names;
          for (const auto& one : value->parameters) {
            CatTo(names, one.name, "=",
                  one.name == "nonce" ? std::string_view("") : one.value, ",");
          }
          return names;
        };
        EXPECT_FALSE(challenge(other[i]).empty());
        EXPECT_EQ(challenge(other[i]), challenge(known[i]))
            << method << user << i;
      }
    }
  }
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
