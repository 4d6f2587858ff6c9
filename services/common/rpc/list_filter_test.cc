#include "services/common/rpc/list_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "sallyport/dialplan/v1/calling_search_space.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"
#include "sallyport/dialplan/v1/user.pb.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using testing::HasSubstr;

pb::Peer Peer() {
  pb::Peer peer;
  peer.set_display_name("Main \"gateway\" \\ 1");
  peer.set_status(pb::PEER_STATUS_DISABLED);
  peer.set_port(5061);
  peer.set_outcalls_allowed(true);
  peer.add_x509_subject_names("a.test");
  peer.add_x509_subject_names("b.test");
  peer.mutable_options_monitoring()->set_enabled(true);
  peer.mutable_options_monitoring()->mutable_interval()->set_seconds(90);
  peer.mutable_create_time()->set_seconds(1'767'225'600);  // 2026-01-01
  peer.mutable_create_time()->set_nanos(5);
  return peer;
}

struct Case {
  const char* filter;
  bool matches;
};

class MatchesTest : public testing::TestWithParam<Case> {};

TEST_P(MatchesTest, Compares) {
  SP_ASSERT_OK_AND_ASSIGN(
      ListFilter filter,
      ListFilter::Parse(GetParam().filter, *pb::Peer::descriptor()));
  EXPECT_EQ(filter.Matches(Peer()), GetParam().matches) << GetParam().filter;
}

INSTANTIATE_TEST_SUITE_P(
    Filters, MatchesTest,
    testing::Values(
        Case{"", true}, Case{"  ", true},
        Case{"display_name = \"Main \\\"gateway\\\" \\\\ 1\"", true},
        Case{"display_name=\"other\"", false},
        Case{"display_name != \"other\"", true},
        Case{"status = PEER_STATUS_DISABLED", true},
        Case{"status=PEER_STATUS_ENABLED", false}, Case{"port = 5061", true},
        Case{"port != 5061", false}, Case{"outcalls_allowed = true", true},
        Case{"x509_subject_names = \"b.test\"", true},
        Case{"x509_subject_names = \"c.test\"", false},
        Case{"x509_subject_names != \"b.test\"", false},
        Case{"source_addresses != \"192.0.2.1\"", true},
        Case{"options_monitoring.enabled = true", true},
        Case{"options_monitoring.retries = 0", true},
        Case{"port < 5062 AND port > 5060", true},
        Case{"port<=5061 AND port>=5061", true}, Case{"port < 5061", false},
        Case{"port > 5061", false}, Case{"port >= -1", true},
        Case{"create_time > \"2026-01-01T00:00:00Z\"", true},
        Case{"create_time <= \"2026-01-01T00:00:00Z\"", false},
        Case{"create_time < \"2026-01-01T01:00:00+00:30\"", true},
        Case{"create_time = \"2026-01-01T00:00:00.000000005Z\"", true},
        Case{"update_time < \"2026-01-01T00:00:00Z\"", false},
        Case{"update_time > \"2026-01-01T00:00:00Z\"", false},
        Case{"update_time != \"2026-01-01T00:00:00Z\"", true},
        Case{"options_monitoring.interval = \"1m30s\"", true},
        Case{"options_monitoring.interval > \"90s\"", false},
        Case{"port = 5061 AND outcalls_allowed = true", true},
        Case{"port = 5061 AND outcalls_allowed = false", false}));

class FaultTest : public testing::TestWithParam<const char*> {};

TEST_P(FaultTest, SaysWhere) {
  const absl::Status status =
      ListFilter::Parse(GetParam(), *pb::Peer::descriptor()).status();
  EXPECT_THAT(status, HasReason("FILTER_INVALID"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("character "));
}

INSTANTIATE_TEST_SUITE_P(
    Filters, FaultTest,
    testing::Values(
        "nothing = 1", "port", "port =", "port = x", "port < x", "port =< 1",
        "display_name < \"x\"", "outcalls_allowed > false",
        "status >= PEER_STATUS_DISABLED", "create_time < 5",
        "create_time < \"yesterday\"", "create_time < \"infinite-future\"",
        "options_monitoring.interval < \"inf\"",
        "options_monitoring.interval.seconds = 1", "port = 1 port = 2",
        "port = 1 AND", "port = 1 OR port = 2", "display_name = x",
        "display_name = \"x", "display_name = \"\\n\"", "status = DISABLED",
        "outcalls_allowed = 1", "options_monitoring = 1",
        "options_monitoring.interval = 1", "port.x = 1",
        "x509_subject_names.x = \"a\"", "AND", "= 1", "create_time.seconds = 1",
        ".port = 1", "port. = 1"));

TEST(ListFilterTest, IsBounded) {
  EXPECT_THAT(
      ListFilter::Parse("display_name = \"" + std::string(2000, 'x') + "\"",
                        *pb::Peer::descriptor()),
      HasReason("FILTER_INVALID"));
  std::string many = "port = 1";
  for (int i = 0; i < 15; ++i) many += " AND port = 1";
  EXPECT_THAT(ListFilter::Parse(many, *pb::Peer::descriptor()), IsOk());
  many += " AND port = 1";
  EXPECT_THAT(ListFilter::Parse(many, *pb::Peer::descriptor()),
              HasReason("FILTER_INVALID"));
}

// What no answer holds cannot be asked for bit by bit.
TEST(ListFilterTest, CredentialsCannotBeAskedFor) {
  for (const char* filter : {"ha1 = \"x\"", "password != \"x\""}) {
    EXPECT_THAT(ListFilter::Parse(filter, *pb::User::descriptor()),
                HasReason("FILTER_INVALID"));
  }
}

}  // namespace
}  // namespace sallyport
