#include "services/signaling_edge/io/tls_contexts.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {
namespace {

// CCE-06: one certificate for all, the default trust point. CCE-09, CCE-10:
// `crypto signaling remote-addr <ip> <mask> trustpoint <name>`
// for the call manager and the call server of the document's example.
TEST(TlsContextsTest, TheLongestPrefixOfTheFarSideChoosesTheCertificate) {
  TestCa ca;
  TlsFileSet files;
  const auto write = [&](const std::string& name, std::string& certificate,
                         std::string& key) {
    const TestCertificate made = ca.IssueDns(name);
    certificate = WriteTestFile(name + ".pem", made.pem);
    key = WriteTestFile(name + ".key", made.key_pem);
  };
  write("edge.test", files.certificate_file, files.key_file);
  // The shorter ones first, to be sorted.
  for (const char* prefix :
       {"198.18.0.0/16", "198.18.133.0/24", "198.18.133.3", "2001:db8::/32"}) {
    TlsFileSet::Remote& remote = files.by_remote.emplace_back();
    remote.prefix = prefix;
    write(std::string("for-") +
              static_cast<char>('a' + files.by_remote.size()) + ".test",
          remote.certificate_file, remote.key_file);
  }
  const auto bundle =
      TrustBundle::Make(capf::v1::WatchTrustBundleResponse(), {});
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  SP_ASSERT_OK_AND_ASSIGN(const TlsContexts contexts,
                          MakeTlsContexts(files, *bundle, 1));
  const auto shown = [&](const char* address) {
    const SocketAddress far = *SocketAddress::FromIp(address, 5061);
    const auto& server = contexts.ServerFor(far);
    const auto& client = contexts.ClientFor(far);
    EXPECT_EQ(server->role(), TlsRole::kServer);
    EXPECT_EQ(client->role(), TlsRole::kClient);
    const auto names = [](const TlsContext& context) {
      return context.certificate()->AltNames(SubjectAltName::Type::kDns);
    };
    EXPECT_EQ(names(*server), names(*client));
    return names(*server).at(0);
  };
  EXPECT_EQ(shown("198.18.133.3"), "for-d.test");
  EXPECT_EQ(shown("198.18.133.13"), "for-c.test");
  EXPECT_EQ(shown("198.18.1.1"), "for-b.test");
  EXPECT_EQ(shown("198.19.1.1"), "edge.test");
  EXPECT_EQ(shown("2001:db8::7"), "for-e.test");
  EXPECT_EQ(shown("2001:db9::7"), "edge.test");

  // A certificate that is replaced is seen.
  const std::string before = FingerprintOf(files);
  write("other.test", files.by_remote[2].certificate_file,
        files.by_remote[2].key_file);
  EXPECT_NE(FingerprintOf(files), before);
}

}  // namespace
}  // namespace sallyport::signaling_edge
