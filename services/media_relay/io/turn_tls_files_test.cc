#include "services/media_relay/io/turn_tls_files.h"

#include <fstream>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::media_relay {
namespace {

constexpr absl::Duration kRefresh = absl::Milliseconds(20);

TEST(TurnTlsFilesTest, AChangedPairIsInForceAndABrokenOneIsNot) {
  MtlsPki pki("turn");
  const PemFiles pair = pki.Issue("turn", "DNS:turn.test");
  auto files =
      TurnTlsFiles::Create(pair.certificate_file, pair.key_file, kRefresh);
  ASSERT_TRUE(files.ok()) << files.status();
  const std::shared_ptr<const TlsContext> first = (*files)->current();
  EXPECT_EQ(first->options().client_certificate, ClientCertificateMode::kNone);
  EXPECT_EQ(first->generation(), 1u);

  pki.Issue("turn", "DNS:turn.test");
  // Certificate and key may be seen apart, which fails and is tried again.
  for (int i = 0; i < 500 && (*files)->current() == first; ++i) {
    absl::SleepFor(kRefresh);
  }
  const std::shared_ptr<const TlsContext> second = (*files)->current();
  ASSERT_NE(second, first);
  EXPECT_NE(second->certificate()->serial_hex,
            first->certificate()->serial_hex);

  std::ofstream(pair.certificate_file) << "no certificate";
  absl::SleepFor(10 * kRefresh);
  EXPECT_EQ((*files)->current(), second);
  const uint64_t before = second->generation();
  pki.Issue("turn", "DNS:turn.test");
  for (int i = 0; i < 500 && (*files)->current() == second; ++i) {
    absl::SleepFor(kRefresh);
  }
  EXPECT_GT((*files)->current()->generation(), before);
}

TEST(TurnTlsFilesTest, StartsWithAUsablePairOnly) {
  MtlsPki pki("turn");
  const PemFiles a = pki.Issue("a", "DNS:a.test");
  const PemFiles b = pki.Issue("b", "DNS:b.test");
  EXPECT_FALSE(
      TurnTlsFiles::Create(a.certificate_file, b.key_file, kRefresh).ok());
  EXPECT_FALSE(
      TurnTlsFiles::Create(a.certificate_file, "/missing", kRefresh).ok());
}

}  // namespace
}  // namespace sallyport::media_relay
