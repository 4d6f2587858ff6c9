#include "services/common/tls/watched_context.h"

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

class WatchedTlsContextTest : public testing::Test {
 protected:
  static std::string Path(const std::string& name) {
    return testing::TempDir() + "/watched_" + name;
  }
  void Write(const TestCertificate& certificate) {
    ASSERT_THAT(WriteDurableFile(Path("cert"), certificate.pem), IsOk());
    ASSERT_THAT(WriteDurableFile(Path("key"), certificate.key_pem), IsOk());
  }
  auto Create() {
    return WatchedTlsContext::Create(
        "test", {Path("cert"), Path("key"), Path("trust")},
        [] {
          TlsContextOptions options;
          options.client_certificate = ClientCertificateMode::kRequire;
          return options;
        },
        absl::Milliseconds(5));
  }
  static bool WaitForGeneration(const WatchedTlsContext& watched,
                                uint64_t generation) {
    for (int i = 0; i < 1000; ++i) {
      if (watched.current()->generation() >= generation) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  TestCa ca_;
};

TEST_F(WatchedTlsContextTest, TakesOverWhatChangesAndKeepsWhatIsGood) {
  ASSERT_THAT(WriteDurableFile(Path("trust"), ca_.pem()), IsOk());
  Write(ca_.IssueDns("one.test"));
  auto watched = Create();
  ASSERT_THAT(watched, IsOk());
  const std::shared_ptr<const TlsContext> first = (*watched)->current();
  EXPECT_EQ(first->certificate()->subject, "CN=one.test");

  Write(ca_.IssueDns("two.test"));
  // The pair may be seen half written, which is tried and not used.
  ASSERT_TRUE(WaitForGeneration(**watched, 2));
  EXPECT_EQ((*watched)->current()->certificate()->subject, "CN=two.test");
  EXPECT_EQ(first->certificate()->subject, "CN=one.test");

  ASSERT_THAT(WriteDurableFile(Path("cert"), "rubbish"), IsOk());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ((*watched)->current()->certificate()->subject, "CN=two.test");
}

TEST_F(WatchedTlsContextTest, MustBeGoodAtTheStart) {
  ASSERT_THAT(WriteDurableFile(Path("trust"), ca_.pem()), IsOk());
  Write(ca_.IssueDns("one.test"));
  ASSERT_THAT(WriteDurableFile(Path("key"), "rubbish"), IsOk());
  EXPECT_FALSE(Create().ok());
}

}  // namespace
}  // namespace sallyport
