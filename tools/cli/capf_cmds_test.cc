// The commands about certificates, over the real capf: its API, the CAPF port
// and the trust verification service.

#include <openssl/nid.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/tvs_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "tools/cli/cli.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTrustDomain[] = "cli.test";
constexpr char kDevice[] = "SEP001122334455";

class CapfCommandsTest : public ::testing::Test {
 protected:
  CapfCommandsTest()
      : pki_("capf_cmds"),
        process_("services/capf/capf",
                 absl::StrCat(::testing::TempDir(), "/",
                              ::testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {
    const PemFiles manager = pki_.Issue("cm", "DNS:cm1.example.test");
    const std::string& folder = process_.folder();
    const std::string passphrase = pki_.folder() + "/passphrase";
    EXPECT_THAT(WriteDurableFile(passphrase, "of the test's keys\n"), IsOk());
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_.IssueSpiffe(kTrustDomain, "capf"), kTrustDomain,
            ",\"role_bindings\":[{\"identity\":\"spiffe://cli.test/operator/"
            "ann\",\"role\":\"ROLE_ADMIN\",\"tenants\":[\"*\"]}]"),
        ",\"store\":{\"sqlite_file\":\"", folder,
        "/capf.db\"},\"authority\":{\"key_file\":\"", folder,
        "/ca.key\",\"certificate_file\":\"", folder,
        "/ca.pem\",\"passphrase_file\":\"", passphrase,
        "\"},\"capf\":{\"address\":\"127.0.0.1\",\"ephemeral_port\":"
        "true,\"server_names\":[\"IP:127.0.0.1\"]},\"audit_file\":\"",
        folder,
        "/audit.jsonl\",\"allow_private_peers\":true,"
        "\"tvs_address\":\"127.0.0.1:0\",\"trust_lists\":{\"host\":"
        "\"capf.example.test\",\"mixed_mode\":true,\"call_managers\":[{"
        "\"dns_name\":\"cm1.example.test\",\"certificate_file\":\"",
        manager.certificate_file, "\"}]}}"));
    process_.Start();
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, "operator/ann");
    config_ =
        Write("cli.json",
              absl::StrCat("{\"tls\":{\"certificate_file\":\"",
                           files.certificate_file, "\",\"key_file\":\"",
                           files.key_file, "\",\"ca_file\":\"", files.ca_file,
                           "\"},\"trust_domain\":\"", kTrustDomain,
                           "\",\"tenant\":\"default\",\"capf\":{\"target\":\"",
                           process_.grpc_target(), "\"}}"));
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = absl::StrCat(process_.folder(), "/", name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  int Run(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"sallyport", "--config", config_.c_str()};
    for (const std::string& one : arguments) argv.push_back(one.c_str());
    out_.str("");
    err_.str("");
    return RunCli(static_cast<int>(argv.size()), argv.data(), out_, err_);
  }
  // Words of a command line, divided by blanks.
  int Run(const std::string& line) {
    return Run(
        std::vector<std::string>(absl::StrSplit(line, ' ', absl::SkipEmpty())));
  }
  // One phone's session, with what it holds.
  int Enroll(const std::string& more) {
    return Run(absl::StrCat("enroll --server 127.0.0.1:", process_.port("capf"),
                            " --ca ", process_.folder(), "/ca.pem --device ",
                            kDevice, " --key-out ", process_.folder(),
                            "/lsc.key --cert-out ", process_.folder(),
                            "/lsc.pem ", more));
  }
  std::string MicArguments(const TestCertificate& mic,
                           const std::string& name = "mic") {
    return absl::StrCat(" --existing-kind mic --existing-cert ",
                        Write(name + ".pem", mic.pem), " --existing-key ",
                        Write(name + ".key", mic.key_pem));
  }
  std::string Phones() {
    EXPECT_EQ(Run("phones list"), 0) << err_.str();
    return out_.str();
  }

  MtlsPki pki_;
  ServiceProcess process_;
  std::string config_;
  std::ostringstream out_;
  std::ostringstream err_;
};

// UM-26, UM-27, UM-47, UM-89 through the process, with what an operator sees.
TEST_F(CapfCommandsTest, ChainsAreExplained) {
  TestCa root("Gateway Root");
  TestCa middle = root.IssueCa("Gateway Sub");
  const std::string leaf = Write("leaf.pem", middle.IssueDns("gw.test").pem);
  const std::string sub = Write("sub.pem", middle.pem());
  const std::string anchor = Write("root.pem", root.pem());
  const std::string verify = "trust verify CallManager-trust ";
  EXPECT_EQ(Run(verify + leaf + " " + sub), 1);
  EXPECT_THAT(out_.str(), HasSubstr("refused: CHAIN_INCOMPLETE"));
  EXPECT_EQ(Run(verify + leaf + " " + sub + " " + anchor), 1);
  EXPECT_THAT(out_.str(), HasSubstr("refused: ROOT_NOT_TRUSTED"));

  // IMP-22, IMP-33: the other direction, by hand.
  ASSERT_EQ(Run("trust add CallManager-trust " + anchor), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("trusted: CN=Gateway Root"));
  ASSERT_EQ(Run("trust add CallManager-trust " + anchor), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("already trusted"));
  EXPECT_EQ(Run(verify + leaf + " " + sub), 0) << out_.str() << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("accepted"), HasSubstr("CN=gw.test"),
                    HasSubstr("CN=Gateway Sub"), HasSubstr("CN=Gateway Root")));
  // UM-36: the one root is enough for all that it has signed.
  EXPECT_EQ(Run(verify + Write("pbx.pem", root.IssueDns("pbx.test").pem)), 0)
      << out_.str();
  // IMP-20: one store's trust is not another's.
  EXPECT_EQ(Run("trust verify cup-trust " + leaf + " " + sub), 1);
  EXPECT_EQ(Run(verify + leaf), 1);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("CHAIN_INCOMPLETE"), HasSubstr(" > CN=gw.test")));
  EXPECT_EQ(Run(verify + leaf + " " + sub + " --name other.test"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("NAME_MISMATCH"));
  EXPECT_EQ(Run(verify + leaf + " " + sub + " --time 2101-01-01T00:00:00Z"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("CERTIFICATE_EXPIRED"));
  EXPECT_EQ(Run(verify + leaf + " " + sub + " --strict"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("FORM_NOT_STRICT"));

  // UM-89: a Dialogic 2000 wants both uses, an AudioCodes gateway one.
  const std::string web =
      Write("web.pem",
            root.Issue({.dns_names = {"web.test"}, .client_auth = false}).pem);
  EXPECT_EQ(Run(verify + web + " --vendor Dialogic --model DMG2030"), 1);
  EXPECT_THAT(out_.str(), HasSubstr("EKU_MISSING"));
  EXPECT_EQ(Run(verify + web + " --vendor AudioCodes"), 0) << out_.str();

  // RFC 5924: as an edge judges a SIP peer.
  const std::string sip = Write(
      "sip.pem",
      root.Issue({.dns_names = {"sip.test"},
                  .no_extended_key_usage = true,
                  .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}})
          .pem);
  EXPECT_EQ(Run(verify + sip), 1);
  EXPECT_THAT(out_.str(), HasSubstr("EKU_MISSING"));
  EXPECT_EQ(Run(verify + sip + " --purpose sipDomain"), 0) << out_.str();
  EXPECT_EQ(Run(verify + web + " --purpose sipDomain"), 1);
  EXPECT_EQ(Run(verify + web + " --purpose other"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("PURPOSE_INVALID"));

  const std::string revoked =
      Write("list.crl", root.IssueCrl({0x1001}, absl::Now() - absl::Hours(1),
                                      absl::Now() + absl::Hours(1)));
  EXPECT_EQ(Run(verify + leaf + " " + sub + " --crl " + revoked), 1);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("CERTIFICATE_REVOKED"),
                                HasSubstr(" > CN=Gateway Sub")));
}

// IMP-26 to IMP-29: nothing is trusted before somebody says so.
TEST_F(CapfCommandsTest, PeersAreLookedAtAndThenTrusted) {
  const std::string peer = absl::StrCat("127.0.0.1:", process_.port("capf"));
  const std::string import = "trust import cup-trust " + peer;
  ASSERT_EQ(Run(import + " --confirm 00"), 1);
  // IMP-29: it must be the one that was looked at.
  EXPECT_THAT(err_.str(), HasSubstr("PEER_CERTIFICATE_CHANGED"));
  ASSERT_EQ(Run("trust list cup-trust"), 0);
  EXPECT_EQ(out_.str(), "");
  // IMP-22, IMP-27: connected and downloaded are told apart.
  ASSERT_EQ(Run(import + " --yes --tls-context sip"), 0)
      << out_.str() << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("ok      resolve"), HasSubstr("ok      connect"),
                    HasSubstr("ok      handshake: TLSv1.3"),
                    HasSubstr("ok      chain: 2"), HasSubstr("trusted: ")));
  ASSERT_EQ(Run("trust list cup-trust"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("peer " + peer));
  ASSERT_EQ(Run("trust list cup-trust -o json"), 0);
  const std::string json = out_.str();
  // IMP-36: the context was said; the subject is kept without being said.
  EXPECT_THAT(json,
              ::testing::ContainsRegex("\"tlsPeerSubject\": \"[^\"=]+\""));
  EXPECT_THAT(json, HasSubstr("\"tlsContexts\": [\n"));
  const size_t at = json.find("tenants/default/trustStores/cup-trust/cert");
  const std::string name = json.substr(at, json.find('"', at) - at);

  // Who loses trust if it goes is known, and it does not go by mistake.
  ASSERT_EQ(Run("trust dependents " + name), 0);
  EXPECT_EQ(out_.str(), peer + "\n");
  EXPECT_EQ(
      Run("trust export " + name + " --format hash --to " + process_.folder()),
      0);
  EXPECT_THAT(out_.str(), ::testing::EndsWith(".0\n"));
  const std::string exported = out_.str().substr(0, out_.str().size() - 1);
  // UM-29: the public part, and nothing else.
  EXPECT_THAT(Read(exported), AllOf(HasSubstr("BEGIN CERTIFICATE"),
                                    Not(HasSubstr("PRIVATE KEY"))));
  // IMP-31, IMP-32: a file, and no word of a request that there never was.
  EXPECT_EQ(Run("trust export " + name), 0);
  EXPECT_THAT(out_.str(), ::testing::StartsWith("-----BEGIN CERTIFICATE"));
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(
      Run("trust export " + name + " --format p7b --to " + process_.folder()),
      0);
  const std::string bundle = out_.str().substr(0, out_.str().size() - 1);
  ASSERT_EQ(Run("trust remove " + name), 1);
  EXPECT_THAT(err_.str(), ::testing::AnyOf(HasSubstr("PEERS_LOSE_TRUST"),
                                           HasSubstr("OWN_AUTHORITY")));
  ASSERT_EQ(Run("trust remove " + name + " --force"), 0) << err_.str();
  // In again, from what went out.
  ASSERT_EQ(Run("trust add cup-trust " + bundle), 0) << err_.str();
  ASSERT_EQ(Run("trust add cup-trust " + exported), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("already trusted"));

  // A port where nobody listens, and one without TLS.
  // IMP-27: which of the two failed.
  EXPECT_EQ(Run("trust import cup-trust 127.0.0.1:1 --yes"), 1);
  // IMP-28: with what to do about it.
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("FAILED  connect"),
                                HasSubstr("check host, port")));
}

// IMP-19: the tables with what is in the stores now.
TEST_F(CapfCommandsTest, ServicesHaveTheirCertificatesAndStores) {
  ASSERT_EQ(Run("trust services"), 0) << err_.str();
  EXPECT_THAT(out_.str(), ::testing::ContainsRegex(
                              "SIP Proxy +cup +\\(none\\) +cup-trust +0\n"));
  TestCa root("Proxy Root");
  const auto write = [&](const char* name, absl::Duration life) {
    return Write(
        name,
        root.Issue({.common_name = name, .not_after = absl::Now() + life}).pem);
  };
  ASSERT_EQ(Run("trust add cup " + write("old.test", absl::Hours(48))), 0);
  ASSERT_EQ(Run("trust add cup " + write("new.test", absl::Hours(96))), 0);
  ASSERT_EQ(Run("trust add cup-trust " + Write("root.pem", root.pem())), 0);
  ASSERT_EQ(Run("trust services"), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              ::testing::ContainsRegex(
                  "SIP Proxy +cup +CN=new.test +20[-0-9: ]+ +cup-trust +1\n"));
  EXPECT_THAT(
      out_.str(),
      ::testing::ContainsRegex(
          "SIP federation +cup +CN=new.test +20[-0-9: ]+ +cup-trust +1\n"));
  EXPECT_THAT(out_.str(), HasSubstr("XMPP federation"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("old.test")));
}

// PKCS#12 as openssl writes it; its key stays out.
TEST_F(CapfCommandsTest, Pkcs12) {
  TestCa root("Twelve Root");
  const TestCertificate leaf = root.IssueDns("twelve.test");
  const std::string folder = process_.folder();
  Write("twelve.pem", leaf.pem);
  Write("twelve.key", leaf.key_pem);
  Write("root.pem", root.pem());
  ASSERT_EQ(std::system(absl::StrCat("openssl pkcs12 -export -inkey ", folder,
                                     "/twelve.key -in ", folder,
                                     "/twelve.pem -certfile ", folder,
                                     "/root.pem -passout pass:open -out ",
                                     folder, "/twelve.p12")
                            .c_str()),
            0);
  EXPECT_EQ(Run("trust add tomcat-trust " + folder +
                "/twelve.p12 --password-file " + Write("bad", "shut\n")),
            1);
  EXPECT_THAT(err_.str(), HasSubstr("PASSWORD_WRONG"));
  ASSERT_EQ(Run("trust add tomcat-trust " + folder +
                "/twelve.p12 --password-file " + Write("good", "open\n")),
            0)
      << err_.str();
  ASSERT_EQ(Run("trust list tomcat-trust"), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("twelve.test"), HasSubstr("Twelve Root")));
  ASSERT_EQ(Run("trust stores"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("cup-xmpp-s2s"));
}

// research/pki.md section 2.9: what the open server lets in.
TEST_F(CapfCommandsTest, PhonesProveThemselvesByTheirCertificates) {
  TestCa maker("Phone Maker");
  ASSERT_EQ(Run("trust add CAPF-trust " + Write("maker.pem", maker.pem())), 0)
      << err_.str();
  const std::string device = kDevice;
  const TestCertificate mic = maker.Issue({.common_name = "CP-8861-" + device});
  ASSERT_EQ(Run("phones set " + device + " --by mic"), 0) << err_.str();

  // Defect 1: another phone's MIC. Defect 3: one that has expired. And one of
  // a maker that nobody trusts.
  EXPECT_EQ(Enroll(MicArguments(
                maker.Issue({.common_name = "CP-8861-SEP00112233445F"}))),
            1);
  EXPECT_THAT(err_.str(), HasSubstr("CAPF_DECLINED"));
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_FAILED_INVALID_MIC"));
  EXPECT_EQ(Enroll(MicArguments(
                maker.Issue({.common_name = "CP-8861-" + device,
                             .not_after = absl::Now() - absl::Hours(1)}))),
            1);
  TestCa stranger("Stranger");
  EXPECT_EQ(Enroll(MicArguments(
                stranger.Issue({.common_name = "CP-8861-" + device}))),
            1);
  // The right certificate under another key.
  TestCertificate stolen = mic;
  stolen.key_pem = maker.IssueDns("thief").key_pem;
  EXPECT_EQ(Enroll(MicArguments(stolen)), 1);
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_FAILED_INVALID_CREDENTIALS"));
  // Nobody, without a certificate.
  EXPECT_EQ(Enroll(""), 1);

  ASSERT_EQ(Enroll(MicArguments(mic)), 0) << err_.str();
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_SUCCESS"));

  // From now on by the LSC; the MIC no longer counts (precedence to LSC).
  ASSERT_EQ(Run("phones set " + device + " --by lsc"), 0) << err_.str();
  EXPECT_EQ(Enroll(MicArguments(mic)), 1);
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_FAILED_INVALID_LSC"));
  const std::string folder = process_.folder();
  const std::string lsc = absl::StrCat(
      " --existing-cert ", Write("old.pem", Read(folder + "/lsc.pem")),
      " --existing-key ", Write("old.key", Read(folder + "/lsc.key")));
  ASSERT_EQ(Enroll(lsc), 0) << err_.str();
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_SUCCESS"));

  // The one that was replaced proves nothing any more.
  ASSERT_EQ(Run("phones set " + device + " --by lsc"), 0);
  EXPECT_EQ(Enroll(lsc), 1);

  // Troubleshoot fetches both; UM and CCE words for what came of it.
  const std::string current = absl::StrCat(
      " --existing-cert ", Write("now.pem", Read(folder + "/lsc.pem")),
      " --existing-key ", Write("now.key", Read(folder + "/lsc.key")));
  ASSERT_EQ(Run("phones set " + device + " --operation troubleshoot --by lsc"),
            0);
  ASSERT_EQ(Enroll(current + " --mic " + folder + "/mic.pem"), 0) << err_.str();
  EXPECT_THAT(Phones(), HasSubstr("TROUBLESHOOT_SUCCESS"));
  EXPECT_THAT(Read(folder + "/audit.jsonl"), HasSubstr("TROUBLESHOOT"));

  // A revoked LSC lets nobody in.
  ASSERT_EQ(Run("phones set " + device + " --by lsc"), 0);
  ASSERT_EQ(Run("certs list"), 0);
  ASSERT_EQ(Run("get enrollment tenants/default/enrollments/sep001122334455 "
                "-o json"),
            0)
      << err_.str();
  const std::string json = out_.str();
  const size_t at = json.find("tenants/default/certificates/");
  ASSERT_NE(at, std::string::npos) << json;
  ASSERT_EQ(Run("revoke " + json.substr(at, json.find('"', at) - at) +
                " --reason key-compromise"),
            0)
      << err_.str();
  EXPECT_THAT(Phones(), HasSubstr("  revoked"));
  EXPECT_EQ(Enroll(current), 1);
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_FAILED_INVALID_LSC"));
}

// UM-40: a registration authority that says yes or not yet.
TEST_F(CapfCommandsTest, ApprovalComesBeforeTheSignature) {
  const std::string device = kDevice;
  ASSERT_EQ(Run("phones set " + device + " --approval -o json"), 0)
      << err_.str();
  // The string is in the last column, told this once.
  std::vector<std::string> words =
      absl::StrSplit(out_.str(), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  const std::string string = words.back();
  EXPECT_EQ(Enroll("--auth-string " + string), 1);
  EXPECT_THAT(err_.str(), HasSubstr("CAPF_NO_OPERATION"));
  EXPECT_THAT(Phones(), HasSubstr("OPERATION_PENDING, not approved"));
  ASSERT_EQ(Run("phones approve " + device), 0) << err_.str();
  ASSERT_EQ(Enroll("--auth-string " + string), 0) << err_.str();
  EXPECT_THAT(Phones(), HasSubstr("UPGRADE_SUCCESS"));
  EXPECT_EQ(Run("phones approve " + device), 1);
  EXPECT_THAT(err_.str(), HasSubstr("NOTHING_TO_APPROVE"));
  EXPECT_EQ(Run("phones set " + device + " --completes-by 2020:01:01:00"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("is in the past"));
}

// research/pki.md section 3, over TLS as a phone asks.
TEST_F(CapfCommandsTest, TrustVerificationService) {
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  tls.unverified_peer = UnverifiedPeer::kDangerousAccept;
  tls.trust_anchors = *TrustAnchors::FromDer({});
  SP_ASSERT_OK_AND_ASSIGN(const auto context,
                          TlsContext::Create(std::move(tls)));
  SP_ASSERT_OK_AND_ASSIGN(
      const auto connection,
      TlsConnection::Connect("127.0.0.1", absl::StrCat(process_.port("tvs")),
                             context, absl::Seconds(5)));
  const std::string own = connection->session().peer()->chain[0];
  const auto ask = [&](uint8_t id, const std::string& der) {
    const auto element = [](char tag, const std::string& value) {
      return std::string(1, tag) + static_cast<char>(value.size() >> 8) +
             static_cast<char>(value.size()) + value;
    };
    const std::string payload = element(1,
                                        "\x01"
                                        "CP-8861-SEP001122334455") +
                                element(2, der);
    const std::string request = std::string("\x57\x01\x01\x00\x00\x00\x00", 7) +
                                static_cast<char>(id) +
                                static_cast<char>(payload.size() >> 8) +
                                static_cast<char>(payload.size()) + payload;
    EXPECT_THAT(connection->Write(AsBytes(request)), IsOk());
    std::string answer;
    while (answer.size() < 10) answer += connection->Read().value();
    EXPECT_EQ(answer.substr(0, 4), std::string("\x57\x01\x02\x00", 4));
    EXPECT_EQ(answer[7], static_cast<char>(id));
    return answer.substr(10);
  };
  // Status 0, roles CAPF and TVS, a day to keep it.
  const std::string valid = ask(1, own);
  EXPECT_EQ(valid.substr(0, 4), std::string("\x07\x00\x01\x00", 4));
  EXPECT_THAT(valid, HasSubstr(std::string("\x08\x00\x02\x04\x15", 5)));
  EXPECT_THAT(valid, HasSubstr(std::string("\x09\x00\x04\x00\x01\x51\x80", 7)));
  const TestCertificate stranger = TestCa("Stranger").IssueDns("x.test");
  const std::string invalid("\x07\x00\x01\x01", 4);
  EXPECT_EQ(ask(2, stranger.der), invalid);
  EXPECT_EQ(ask(3, "no certificate"), invalid);
  // What an operator trusts as a call manager is vouched for at once, and no
  // more once it is removed.
  ASSERT_EQ(
      Run("trust add CallManager-trust " + Write("stranger.pem", stranger.pem)),
      0);
  EXPECT_EQ(ask(4, stranger.der).substr(0, 4),
            std::string("\x07\x00\x01\x00", 4));
}

// CCE-25, CCE-26, CCE-27, CCE-31; IMP-68: what an operator types and sees.
TEST_F(CapfCommandsTest, ClustersAndProcedures) {
  ASSERT_EQ(Run("cluster show"), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("Cluster Security Mode: 1 (mixed)"),
                                HasSubstr("cm1.example.test"),
                                HasSubstr("sast-1   SIGNING"),
                                HasSubstr("sast-2   STANDBY")));
  const std::string manager = absl::StrCat(
      "--call-manager cm9.example.test=",
      pki_.Issue("cm9", "DNS:cm9.example.test").certificate_file, ",192.0.2.9");
  ASSERT_EQ(Run("cluster set --dry-run " + manager), 0) << err_.str();
  const auto says_mode =
      HasSubstr("in the dial plan: not known, DIALPLAN_NOT_CONFIGURED\n");
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("no phone would be locked out"), says_mode));
  ASSERT_EQ(Run("cluster set --sha512-model CP-8861 " + manager), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("with SHA-512 for CP-8861"),
                                HasSubstr("192.0.2.9"), says_mode,
                                Not(HasSubstr("cm1.example.test"))));
  const std::string device = kDevice;
  ASSERT_EQ(Run("phones set " + device), 0) << err_.str();
  ASSERT_EQ(Run("phones model CP-8861 " + device), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("CP-8861"));

  ASSERT_EQ(Run("procedure begin non-secure-mode --dry-run"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("0 phones hold lists"));
  ASSERT_EQ(Run("procedure begin non-secure-mode --yes"), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr(": DONE"), HasSubstr("3     yes"),
                    HasSubstr("reads non-secure (0)"), HasSubstr("md5")));
  ASSERT_EQ(Run("cluster show"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Cluster Security Mode: 0"));
  EXPECT_EQ(Run("procedure begin non-secure-mode --yes"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("MODE_ALREADY_SET"));
  ASSERT_EQ(Run("procedure begin rotate-signer -y"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("sast-3"));
  ASSERT_EQ(Run("procedure list"), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("rotate-signer-"),
                                HasSubstr("non-secure-mode-")));
  EXPECT_EQ(Run("procedure cancel no-such-one"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("PROCEDURE_NOT_FOUND"));

  // IMP-68: the three tasks.
  ASSERT_EQ(Run("fips status"), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("FIPS mode: off"), HasSubstr("not validated"),
                    HasSubstr("nobody may claim"),
                    ContainsRegex("capf +[^ ]+ +off +-")));
  // IMP-70: what each service refuses.
  ASSERT_EQ(Run("fips list"), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("signaling_edge\n  not allowed"),
                    HasSubstr("null string"), HasSubstr("MS-TURN"),
                    HasSubstr("not claimed to be within it:\n    gRPC")));
  // The device's files are signed with SHA-1 for no one here: the phone is of
  // a model that verifies SHA-512.
  ASSERT_EQ(Run("fips enable --dry-run"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("tests passed"));
}

// UM-109, UM-117, UM-118, UM-124: what is chosen, why, and what if there is
// nothing.
TEST_F(CapfCommandsTest, ServerCertificatesAreChosenAndExplained) {
  const std::string folder = process_.folder();
  ASSERT_EQ(Run("certs choice signaling_edge edge.example.test"), 0)
      << err_.str();
  EXPECT_THAT(
      out_.str(),
      AllOf(HasSubstr("CN=edge.example.test"), HasSubstr("CHOSEN"),
            // UM-28
            HasSubstr("self-signed"), HasSubstr("every peer must import it")));
  const std::string first = out_.str();
  ASSERT_EQ(Run("certs choice signaling_edge edge.example.test"), 0);
  EXPECT_EQ(out_.str(), first);  // made once

  // One of our authority takes its place.
  ASSERT_EQ(std::system(absl::StrCat("openssl req -new -newkey ec -pkeyopt "
                                     "ec_paramgen_curve:P-256 -nodes -keyout ",
                                     folder,
                                     "/e.key -subj /CN=edge -addext "
                                     "subjectAltName=DNS:edge.example.test "
                                     "-out ",
                                     folder, "/e.csr 2>/dev/null")
                            .c_str()),
            0);
  ASSERT_EQ(Run("certs issue " + folder + "/e.csr --to " + folder + "/e.pem"),
            0)
      << err_.str();
  ASSERT_EQ(Run("certs choice signaling_edge edge.example.test"), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("SELF_SIGNED_COMES_LATER"),
                    HasSubstr("renewal at 20"), Not(HasSubstr("import it"))));
  ASSERT_EQ(Run("certs choice signaling_edge other.example.test"), 0);
  EXPECT_THAT(out_.str(), HasSubstr("NAME_MISMATCH"));
  EXPECT_EQ(Run("certs choice signaling_edge ../../etc/passwd"), 1);

  // By hand to another authority and back: its request, and what is no answer.
  ASSERT_EQ(Run("certs authority"), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("certificateAuthorities/default"),
                                HasSubstr("SHA-256"), HasSubstr("expires")));
  ASSERT_EQ(Run("certs request --to " + folder + "/ca.csr"), 0) << err_.str();
  EXPECT_EQ(std::system(("openssl req -verify -noout -in " + folder +
                         "/ca.csr 2> /dev/null")
                            .c_str()),
            0);
  EXPECT_EQ(Run("certs import " + folder + "/e.pem --dry-run"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("ISSUER_INVALID"));
  EXPECT_EQ(Run("certs issue " + folder + "/e.csr --authority upstream"), 1);
  EXPECT_THAT(err_.str(), HasSubstr("AUTHORITY_NOT_FOUND"));
  ASSERT_EQ(Run("certs revocation-lists"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("no list of another authority"));

  // UM-111: what is in use, and what happened, with its numbers.
  ASSERT_EQ(Run("events --certificates -o json"), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("CERTIFICATE_EVENT_TYPE_IN_USE"),
                                HasSubstr("\"eventId\": 1112"),
                                HasSubstr("CERTIFICATE_EVENT_TYPE_ISSUED"),
                                HasSubstr("is in use by capf ports")));
  // As a person reads it: when first, the long text last.
  ASSERT_EQ(Run("events --certificates"), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::StartsWith("TIME"));
  EXPECT_THAT(out_.str(), testing::ContainsRegex("USED BY +SUMMARY"));

  // Its revocation list, and what came since.
  const std::string crl = testing::TempDir() + "/own.crl";
  ASSERT_EQ(Run("certs revocation-list --to " + crl), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(" entries, until 20"));
  EXPECT_EQ(std::system(("openssl crl -inform DER -noout -in " + crl).c_str()),
            0);
  ASSERT_EQ(Run("certs revocation-list --delta --to " + crl), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(" since list "));

  // One more authority, by which a phone may be said to be; then not any more.
  ASSERT_EQ(Run("certs create-authority second --common-name Second"), 0)
      << err_.str();
  ASSERT_EQ(Run("phones set SEP00000000F001 --authority second"), 0)
      << err_.str();
  ASSERT_EQ(Run("certs disable-authority second"), 0) << err_.str();
  ASSERT_EQ(Run("certs authorities"), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::ContainsRegex("second.*DISABLED"));
  ASSERT_EQ(Run("certs enable-authority second"), 0) << err_.str();
  EXPECT_EQ(Run("certs delete-authority second"), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("sep00000000f001"),
                                HasSubstr("[AUTHORITY_IN_USE]")));
  ASSERT_EQ(Run("delete enrollment sep00000000f001"), 0) << err_.str();
  ASSERT_EQ(Run("certs delete-authority second --dry-run"), 0) << err_.str();
  ASSERT_EQ(Run("certs delete-authority second"), 0) << err_.str();
  ASSERT_EQ(Run("certs authorities"), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::Not(HasSubstr("second")));
  const auto count = [&] {
    EXPECT_EQ(Run("events --certificates -o name"), 0);
    const std::string names = out_.str();
    return std::count(names.begin(), names.end(), '\n');
  };
  const auto before = count();
  process_.Kill();
  process_.Start();
  config_ = Write(
      "cli.json",
      absl::StrCat(Read(config_).substr(0, Read(config_).rfind("\"target\"")),
                   "\"target\":\"", process_.grpc_target(), "\"}}"));
  // A restart tells what it uses, and nothing else again.
  EXPECT_EQ(count(), before + 3);
}

}  // namespace
}  // namespace sallyport::cli
