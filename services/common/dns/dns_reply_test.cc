#include "services/common/dns/dns_reply.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

using namespace std::string_literals;

// A reply to "a.test" with the records given, whose owner is that name.
std::string Reply(int answers, int authorities, const std::string& records,
                  char code = 0) {
  return "\x12\x34\x81"s + static_cast<char>(0x80 | code) + "\0\1\0"s +
         static_cast<char>(answers) + "\0"s + static_cast<char>(authorities) +
         "\0\0"s + "\1a\4test\0\0\1\0\1"s + records;
}

const std::string kOwner = "\xc0\x0c"s;
const std::string kAddress =
    kOwner + "\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\7"s;  // 30 s

DnsAnswer Read(const std::string& reply, DnsType type = DnsType::kA) {
  return ReadDnsReply(AsBytes(reply), type);
}

TEST(DnsReplyTest, ReadsAnAddress) {
  const DnsAnswer answer = Read(Reply(1, 0, kAddress));
  EXPECT_EQ(answer.outcome, DnsOutcome::kFound);
  EXPECT_EQ(answer.time_to_live, absl::Seconds(30));
  ASSERT_EQ(answer.addresses.size(), 1u);
  EXPECT_EQ(answer.addresses[0].IpText(), "192.0.2.7");
}

TEST(DnsReplyTest, ServiceTargetsMayPointBack) {
  const std::string service =
      kOwner + "\0\x21\0\1\0\0\0\x0a\0\x8\0\1\0\2\x13\xc5\xc0\x0c"s;
  const DnsAnswer answer = Read(Reply(1, 0, service), DnsType::kSrv);
  ASSERT_EQ(answer.services.size(), 1u);
  EXPECT_EQ(answer.services[0], (SrvRecord{1, 2, 5061, "a.test"}));
}

TEST(DnsReplyTest, TheLeastLifeCounts) {
  const std::string alias = kOwner + "\0\5\0\1\0\0\0\5\0\2\xc0\x0c"s;
  EXPECT_EQ(Read(Reply(2, 0, alias + kAddress)).time_to_live, absl::Seconds(5));
  const std::string huge = kOwner + "\0\1\0\1\xff\xff\xff\xff\0\4\1\2\3\4"s;
  EXPECT_EQ(Read(Reply(1, 0, huge)).time_to_live, absl::ZeroDuration());
}

// RFC 2308: the least of the SOA's own life and its last field.
TEST(DnsReplyTest, AnEmptyAnswerLivesAsTheAuthoritySays) {
  const std::string soa = kOwner + "\0\6\0\1\0\0\1\0\0\x16\0\0"s +
                          std::string(16, '\0') + "\0\0\0\x14"s;
  const DnsAnswer answer = Read(Reply(0, 1, soa, 3));
  EXPECT_EQ(answer.outcome, DnsOutcome::kNone);
  EXPECT_EQ(answer.time_to_live, absl::Seconds(20));
  EXPECT_EQ(Read(Reply(0, 0, "")).time_to_live, absl::ZeroDuration());
}

TEST(DnsReplyTest, ServerErrorsAndCutRepliesAreFailures) {
  EXPECT_EQ(Read(Reply(1, 0, kAddress, 2)).outcome, DnsOutcome::kFailure);
  const std::string whole = Reply(1, 0, kAddress);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Read(whole.substr(0, size)).outcome, DnsOutcome::kFailure)
        << size;
  }
  // A service whose data is longer than its record.
  const std::string bad =
      kOwner + "\0\x21\0\1\0\0\0\x0a\0\x7\0\1\0\2\x13\xc5\xc0\x0c"s;
  EXPECT_EQ(Read(Reply(1, 0, bad), DnsType::kSrv).outcome,
            DnsOutcome::kFailure);
  const std::string loop =
      kOwner + "\0\x21\0\1\0\0\0\x0a\0\x8\0\1\0\2\x13\xc5\xc0\x30"s;
  EXPECT_NE(Read(Reply(1, 0, loop), DnsType::kSrv).outcome, DnsOutcome::kFound);
}

TEST(DnsReplyTest, AFloodOfRecordsIsCut) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += kAddress;
  EXPECT_EQ(Read(Reply(100, 0, many)).addresses.size(), 64u);
}

}  // namespace
}  // namespace sallyport
