#include "tools/cli/enroll_cmd.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/capf_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "tools/cli/cli.h"
#include "tools/cli/device_key.h"

namespace sallyport::cli {
namespace {

using capf::CapfMessage;
using capf::CapfOpcode;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint32_t kSession = 7;

// A certificate for a SubjectPublicKeyInfo, signed by nobody in particular.
std::vector<uint8_t> CertificateFor(const std::vector<uint8_t>& spki) {
  const uint8_t* cursor = spki.data();
  const bssl::UniquePtr<EVP_PKEY> key(
      d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.size())));
  const bssl::UniquePtr<X509> x(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 0x1234);
  X509_set_pubkey(x.get(), key.get());
  X509_gmtime_adj(X509_getm_notBefore(x.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 3600);
  const bssl::UniquePtr<EVP_PKEY_CTX> ctx(
      EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* raw = nullptr;
  EVP_PKEY_keygen_init(ctx.get());
  EVP_PKEY_keygen(ctx.get(), &raw);
  const bssl::UniquePtr<EVP_PKEY> signer(raw);
  X509_sign(x.get(), signer.get(), nullptr);
  uint8_t* der = nullptr;
  const int size = i2d_X509(x.get(), &der);
  std::vector<uint8_t> out(der, der + size);
  OPENSSL_free(der);
  return out;
}

CapfMessage Say(CapfOpcode opcode) {
  CapfMessage message;
  message.opcode = opcode;
  message.session_id = kSession;
  return message;
}

CapfMessage End(uint8_t reason) {
  CapfMessage message = Say(CapfOpcode::kEndSession);
  message.reason = reason;
  return message;
}

// Answers one phone by a script, over real TLS on a real socket.
class ScriptedCapf {
 public:
  // Called for each message of the phone; what it returns is sent.
  using Script = std::function<std::vector<CapfMessage>(const CapfMessage&)>;

  ScriptedCapf(const PemFiles& files, Script script)
      : script_(std::move(script)) {
    TlsContextOptions options;
    options.role = TlsRole::kServer;
    context_ =
        TlsContext::CreateFromFiles(files.certificate_file, files.key_file, "",
                                    std::move(options))
            .value();
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~ScriptedCapf() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  int port() const { return port_; }

 private:
  void Serve() {
    const UniqueFd phone(accept(listener_.get(), nullptr, nullptr));
    if (!phone.valid()) return;
    const auto session = TlsSession::Create(context_).value();
    std::string pending;
    bool greeted = false;
    uint8_t buffer[4096];
    while (true) {
      if (session->state() == TlsSession::State::kOpen && !greeted) {
        greeted = true;
        CapfMessage hello = Say(CapfOpcode::kAuthRequest);
        hello.protocol_version = 3;
        Send(*session, {hello});
      }
      pending += session->TakePlaintext();
      const auto parsed = capf::ParseCapfMessage(AsBytes(pending));
      if (!parsed.ok()) return;
      if (parsed->has_value()) {
        pending.erase(0, (*parsed)->consumed);
        Send(*session, script_((*parsed)->message));
      }
      const std::string bytes = session->TakeCiphertext();
      if (!bytes.empty()) {
        send(phone.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      }
      if (parsed->has_value()) continue;
      const ssize_t n = recv(phone.get(), buffer, sizeof(buffer), 0);
      if (n <= 0) return;
      if (!session->Feed(ByteSpan(buffer, n)).ok()) return;
    }
  }

  static void Send(TlsSession& session,
                   const std::vector<CapfMessage>& messages) {
    for (const CapfMessage& message : messages) {
      const std::string bytes = capf::SerializeCapfMessage(message).value();
      session.Write(AsBytes(bytes)).IgnoreError();
    }
  }

  Script script_;
  std::shared_ptr<const TlsContext> context_;
  UniqueFd listener_;
  int port_ = 0;
  std::thread thread_;
};

class EnrollCmdTest : public ::testing::Test {
 protected:
  EnrollCmdTest()
      : pki_("capf"), files_(pki_.Issue("capf", "DNS:capf.test,IP:127.0.0.1")) {
    std::remove(key_file().c_str());
    std::remove(certificate_file().c_str());
  }

  int Enroll(int port, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "sallyport",  "enroll",
        "--server",   absl::StrCat("127.0.0.1:", port),
        "--ca",       files_.ca_file,
        "--device",   "SEP001122334455",
        "--key-out",  key_file(),
        "--cert-out", certificate_file()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    return RunCli(static_cast<int>(argv.size()), argv.data(), out_, err_);
  }

  std::string key_file() const { return pki_.folder() + "/lsc.key"; }
  std::string certificate_file() const { return pki_.folder() + "/lsc.pem"; }

  MtlsPki pki_;
  PemFiles files_;
  std::ostringstream out_;
  std::ostringstream err_;
};

// An installation of an EC key, checking what the phone says.
std::vector<CapfMessage> Install(const CapfMessage& message,
                                 const std::vector<uint8_t>* other_key) {
  switch (message.opcode) {
    case CapfOpcode::kAuthResponse: {
      if (message.device_name != "SEP001122334455" ||
          message.authentication_string != "4711") {
        return {End(7)};
      }
      CapfMessage request = Say(CapfOpcode::kKeyGenerateRequest);
      request.key_size = 256;
      request.key_type = capf::CapfKeyType::kEc;
      request.curve = capf::CapfCurve::kP256;
      return {request};
    }
    case CapfOpcode::kKeyGenerateResponse: {
      CapfMessage request = Say(CapfOpcode::kStoreCertRequest);
      request.certificate_type = capf::CapfCertificateType::kLsc;
      request.certificate = capf::CapfCertificate{
          capf::CapfCertificateType::kLsc,
          CertificateFor(other_key == nullptr ? *message.public_key
                                              : *other_key)};
      return {request};
    }
    case CapfOpcode::kStoreCertResponse:
      return {End(message.reason.value_or(0))};
    default:
      return {};
  }
}

TEST_F(EnrollCmdTest, WritesKeyAndCertificate) {
  ScriptedCapf server(files_, [](const CapfMessage& message) {
    return Install(message, nullptr);
  });
  EXPECT_EQ(Enroll(server.port(), {"--auth-string", "4711"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("serial:   1234"), HasSubstr("SHA-256:")));
  std::stringstream key;
  key << std::ifstream(key_file()).rdbuf();
  EXPECT_THAT(key.str(), HasSubstr("-----BEGIN PRIVATE KEY-----"));
  std::stringstream certificate;
  certificate << std::ifstream(certificate_file()).rdbuf();
  EXPECT_THAT(certificate.str(), HasSubstr("-----BEGIN CERTIFICATE-----"));
  struct stat info = {};
  ASSERT_EQ(stat(key_file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(EnrollCmdTest, ReadsTheStringFromAFile) {
  const std::string path = pki_.folder() + "/string";
  std::ofstream(path) << "4711\nsecond line\n";
  ScriptedCapf server(files_, [](const CapfMessage& message) {
    return Install(message, nullptr);
  });
  EXPECT_EQ(Enroll(server.port(), {"--auth-string-file", path, "-o", "json"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\"serial\": \"1234\""));
}

TEST_F(EnrollCmdTest, AWrongStringIsDeclined) {
  ScriptedCapf server(files_, [](const CapfMessage& message) {
    return Install(message, nullptr);
  });
  EXPECT_EQ(Enroll(server.port(), {"--auth-string", "0000"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[CAPF_DECLINED]"));
  EXPECT_FALSE(std::ifstream(key_file()).good());
}

TEST_F(EnrollCmdTest, ACertificateForAnotherKeyIsNotStored) {
  const std::vector<uint8_t> other =
      DeviceKey::Generate(DeviceKeyType::kEcP256)->PublicKeyDer();
  ScriptedCapf server(files_, [&other](const CapfMessage& message) {
    return Install(message, &other);
  });
  EXPECT_EQ(Enroll(server.port(), {"--auth-string", "4711"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[CERTIFICATE_KEY_MISMATCH]"));
  EXPECT_FALSE(std::ifstream(certificate_file()).good());
}

TEST_F(EnrollCmdTest, AServerOfAnotherNameIsNotBelieved) {
  ScriptedCapf server(files_, [](const CapfMessage& message) {
    return Install(message, nullptr);
  });
  EXPECT_EQ(Enroll(server.port(),
                   {"--auth-string", "4711", "--server-name", "other.test"}),
            1);
  EXPECT_THAT(err_.str(), HasSubstr("[PEER_IDENTITY_MISMATCH]"));
}

TEST_F(EnrollCmdTest, AServerOfAnotherRootIsNotBelieved) {
  MtlsPki stranger("stranger");
  ScriptedCapf server(
      stranger.Issue("capf", "IP:127.0.0.1"),
      [](const CapfMessage& message) { return Install(message, nullptr); });
  EXPECT_EQ(Enroll(server.port(), {"--auth-string", "4711"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[PEER_CERTIFICATE_UNTRUSTED]"));
}

TEST_F(EnrollCmdTest, AServerThatFallsSilentOrTalksNonsense) {
  ScriptedCapf silent(
      files_, [](const CapfMessage&) { return std::vector<CapfMessage>{}; });
  EXPECT_EQ(Enroll(silent.port(), {"--timeout", "1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[NO_ANSWER]"));
  ScriptedCapf confused(files_, [](const CapfMessage&) {
    return std::vector<CapfMessage>{Say(CapfOpcode::kStoreCertRequest)};
  });
  EXPECT_EQ(Enroll(confused.port()), 1);
  EXPECT_THAT(err_.str(), HasSubstr("[CAPF_UNEXPECTED_MESSAGE]"));
}

}  // namespace
}  // namespace sallyport::cli
