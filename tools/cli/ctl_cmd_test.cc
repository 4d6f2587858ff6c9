#include "tools/cli/ctl_cmd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/tftp_server.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_matchers.h"
#include "tools/cli/cli.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

Result Ctl(const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"sallyport", "ctl"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out, err;
  Result result;
  result.code = RunCli(static_cast<int>(argv.size()), argv.data(), out, err);
  result.out = out.str();
  result.err = err.str();
  return result;
}

// capf's own TFTP port, with one file.
class CtlCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    capf::TrustList list;
    list.header.file_name = "CTLFile.tlv";
    list.header.timestamp = 1700000000;
    list.records = {
        TestRecord(signer_, capf::TrustListRole::kSast, ""),
        TestRecord(manager_, capf::TrustListRole::kCcm, "cm1.example.test")};
    file_ = SignedTestList(list, signer_);
    list.records[1] = WithoutCertificate(list.records[1]);
    other_ = SignedTestList(list, signer_);
    list.records.pop_back();
    list.header.file_name = "ITLFile.tlv";
    itl_ = SignedTestList(list, signer_);

    const std::array<absl::Span<const MetricSpec>, 1> tables = {
        capf::kCapfMetrics};
    SP_ASSERT_OK_AND_ASSIGN(metrics_, MetricsRegistry::Create(tables));
    SP_ASSERT_OK_AND_ASSIGN(loop_, EventLoop::Create());
    capf::TftpServer::Options options;
    options.address = SocketAddress::LoopbackV4(0);
    SP_ASSERT_OK_AND_ASSIGN(
        server_,
        capf::TftpServer::Create(
            *loop_, options,
            [this](const std::string& name,
                   std::function<void(capf::TftpServer::Content)> done) {
              done(name == "CTLFile.tlv"
                       ? std::make_shared<const std::string>(file_)
                       : nullptr);
            },
            random_, *metrics_));
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }
  static std::string Write(const std::string& name,
                           const std::string& content) {
    const std::string path = testing::TempDir() + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  const capf::TestIdentity signer_ = capf::NewTestIdentity("SAST-1", 5);
  const capf::TestIdentity manager_ =
      capf::NewTestIdentity("cm1.example.test", 6);
  std::string file_;
  std::string other_;
  std::string itl_;
  SystemRandom random_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<capf::TftpServer> server_;
  std::thread thread_;
};

// CUC-06: taken by TFTP, verified, and kept.
TEST_F(CtlCommandTest, FetchesVerifiesAndKeeps) {
  const std::string kept = testing::TempDir() + "/kept.tlv";
  const Result result = Ctl({"fetch", address(), "--to", kept});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mode  mixed"));
  EXPECT_THAT(result.out, HasSubstr("cm1.example.test"));
  std::stringstream content;
  content << std::ifstream(kept, std::ios::binary).rdbuf();
  EXPECT_EQ(content.str(), file_);
}

// CUC-72: no list there.
TEST_F(CtlCommandTest, AMissingListIsSaidSo) {
  const Result result = Ctl({"fetch", address(), "--name", "ITLFile.tlv"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("TFTP_FILE_NOT_FOUND"));
}

// CUC-81 and CUC-80.
TEST_F(CtlCommandTest, ChecksACopyAndTheCallManager) {
  const std::string same = Write("same.tlv", file_);
  const Result good =
      Ctl({"check", address(), same, "--call-manager", "CM1.example.test"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("same\n"));
  EXPECT_THAT(good.out, HasSubstr("its certificate is in the list"));
  const Result by_address =
      Ctl({"check", address(), same, "--call-manager", "192.0.2.1"});
  EXPECT_EQ(by_address.code, 0) << by_address.out;
  const Result stale = Ctl({"check", address(), Write("old.tlv", other_)});
  EXPECT_EQ(stale.code, 1);
  EXPECT_THAT(stale.out, HasSubstr("different"));
  const Result absent =
      Ctl({"check", address(), same, "--call-manager", "cm9.example.test"});
  EXPECT_EQ(absent.code, 1);
  EXPECT_THAT(absent.out, HasSubstr("no record"));
}

TEST_F(CtlCommandTest, ShowsVerifiesAndCompares) {
  const std::string one = Write("one.tlv", file_);
  const std::string two = Write("two.tlv", other_);
  EXPECT_THAT(Ctl({"show", one}).out, HasSubstr("RSA-2048 with SHA-1"));
  EXPECT_THAT(Ctl({"show", two}).out, HasSubstr("mode  non-secure"));
  // The cluster's mode is not told by an ITL.
  const Result itl = Ctl({"show", Write("itl.tlv", itl_)});
  EXPECT_THAT(itl.out, HasSubstr("signed by CN=SAST-1"));
  EXPECT_THAT(itl.out, Not(HasSubstr("mode")));
  EXPECT_EQ(Ctl({"verify", one}).code, 0);
  std::string broken = file_;
  broken.back() = static_cast<char>(broken.back() ^ 1);
  const Result wrong = Ctl({"verify", Write("broken.tlv", broken)});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("SIGNATURE_WRONG"));
  EXPECT_EQ(Ctl({"diff", one, one}).code, 0);
  const Result diff = Ctl({"diff", one, two});
  EXPECT_EQ(diff.code, 1);
  EXPECT_THAT(diff.out, HasSubstr("CCM cm1.example.test"));
}

}  // namespace
}  // namespace sallyport::cli
