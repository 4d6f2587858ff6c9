// `sallyport sessions` and `sallyport drain`, as programs, against a real
// relay.

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/testing/mtls_pki.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

class SessionsCmdTest : public SessionRig {
 protected:
  void SetUp() override {
    SessionRig::SetUp();
    const PemFiles files = pki_->IssueSpiffe("t.test", "operator/ann");
    config_ = process_.folder() + "/cli.json";
    std::ofstream(config_) << absl::StrCat(
        "{\"tls\":{\"certificate_file\":\"", files.certificate_file,
        "\",\"key_file\":\"", files.key_file, "\",\"ca_file\":\"",
        files.ca_file, "\"},\"trust_domain\":\"t.test\",\"tenant\":\"default\"",
        ",\"media_relays\":[{\"target\":\"", process_.grpc_target(), "\"}]}");
    v1::Session session;
    session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
    session.mutable_leg_a()->set_rtcp_mux(true);
    session.mutable_leg_a()->mutable_ice();
    session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
    made_ = Create(session);
  }
  std::vector<std::string> Command(std::vector<std::string> words) const {
    words.insert(words.begin(), {"tools/cli/sallyport", "--config", config_});
    return words;
  }

  std::string config_;
  v1::Session made_;
};

TEST_F(SessionsCmdTest, ListsFiltersAndFollows) {
  PeerProgram list(Command({"sessions"}));
  const std::string table = list.ReadUntil("DTLS_SRTP", absl::Seconds(10));
  EXPECT_NE(table.find("edge-0"), std::string::npos) << table;
  EXPECT_EQ(list.Wait(absl::Seconds(5)), 0);
  PeerProgram none(Command({"sessions", "--filter", "owner = \"nobody\""}));
  EXPECT_EQ(none.Wait(absl::Seconds(10)), 0);
  PeerProgram wrong(Command({"sessions", "--filter", "nonsense = 1"}));
  EXPECT_EQ(wrong.Wait(absl::Seconds(10)), 1);

  PeerProgram follow(Command({"sessions", "--follow", "--every", "1"}));
  EXPECT_NE(follow.ReadUntil("PRESENT").find(made_.name()), std::string::npos);
  EXPECT_NE(
      follow.ReadUntil("STATISTICS").find("[A DTLS_SRTP NEW, ICE WAITING"),
      std::string::npos);
  Delete(made_.name());
  EXPECT_NE(follow.ReadUntil("ENDED").find("DELETED"), std::string::npos);
}

TEST_F(SessionsCmdTest, DrainShowsProgressUntilNothingIsLeft) {
  PeerProgram drain(
      Command({"drain", process_.grpc_target(), "--timeout", "2"}));
  const std::string said = drain.ReadUntil("done\n");
  EXPECT_NE(said.find("1 sessions and 0 allocations are live"),
            std::string::npos)
      << said;
  EXPECT_EQ(drain.Wait(absl::Seconds(5)), 0);
  PeerProgram unknown(Command({"drain", "nowhere:1"}));
  EXPECT_EQ(unknown.Wait(absl::Seconds(10)), 2);
}

}  // namespace
}  // namespace sallyport::media_relay
