#include "tools/cli/enroll_cmd.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "sallyport/type/v1/certificate_summary.pb.h"
#include "services/capf/core/capf_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_client.h"
#include "tools/cli/device_key.h"
#include "tools/cli/error_text.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {
namespace {

struct EnrollOptions {
  std::string server;
  std::string ca_file;
  std::string server_name;
  std::string device;
  std::string authentication_string;
  std::string authentication_string_file;
  std::string key_out;
  std::string certificate_out;
  std::string key_type;
  std::string existing_certificate;
  std::string existing_key;
  std::string existing_kind = "lsc";
  std::string mic;
  uint32_t timeout_seconds = 60;
};

absl::StatusOr<Secret> AuthenticationString(const EnrollOptions& options) {
  if (options.authentication_string_file.empty()) {
    return Secret::CopyOf(options.authentication_string);
  }
  std::string line;
  if (options.authentication_string_file == "-") {
    std::getline(std::cin, line);
    return Secret::Take(std::move(line));
  }
  std::ifstream in(options.authentication_string_file);
  if (!std::getline(in, line)) {
    return MakeError(
        absl::StatusCode::kNotFound, "FILE_UNREADABLE",
        absl::StrCat("cannot read ", options.authentication_string_file));
  }
  return Secret::Take(std::move(line));
}

absl::StatusOr<std::unique_ptr<TlsConnection>> ConnectToCapf(
    const EnrollOptions& options) {
  SP_ASSIGN_OR_RETURN(const auto address, SplitHostPort(options.server));
  const std::string expected =
      options.server_name.empty() ? address.first : options.server_name;
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  tls.accept_peer = [expected](const PeerCertificate& peer) {
    return CheckServerName(peer.leaf, expected);
  };
  SP_ASSIGN_OR_RETURN(
      const auto context,
      TlsContext::CreateFromFiles("", "", options.ca_file, std::move(tls)));
  return TlsConnection::Connect(address.first, address.second, context,
                                absl::Seconds(options.timeout_seconds));
}

// One enrolment: performs what the client asks for until it is done.
class Enrolment {
 public:
  Enrolment(TlsConnection& connection, CapfClient client,
            const EnrollOptions& options)
      : connection_(connection),
        client_(std::move(client)),
        options_(options) {}

  absl::Status Run() {
    std::string pending;
    while (true) {
      SP_ASSIGN_OR_RETURN(const auto parsed,
                          capf::ParseCapfMessage(AsBytes(pending)));
      if (!parsed.has_value()) {
        SP_ASSIGN_OR_RETURN(const std::string more, connection_.Read());
        if (more.empty()) {
          return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                           "the server closed before the session ended");
        }
        pending += more;
        continue;
      }
      pending.erase(0, parsed->consumed);
      SP_ASSIGN_OR_RETURN(CapfActions actions,
                          client_.OnMessage(parsed->message));
      SP_ASSIGN_OR_RETURN(const bool done, Perform(std::move(actions)));
      if (done) return absl::OkStatus();
    }
  }

  // The certificate that came; empty after a deletion or a fetch.
  const std::string& certificate_der() const { return certificate_der_; }

 private:
  absl::StatusOr<bool> Perform(CapfActions actions) {
    for (const capf::CapfMessage& message : actions.send) {
      SP_ASSIGN_OR_RETURN(const std::string bytes,
                          capf::SerializeCapfMessage(message));
      SP_RETURN_IF_ERROR(connection_.Write(AsBytes(bytes)));
    }
    if (actions.generate.has_value()) {
      SP_ASSIGN_OR_RETURN(DeviceKey key,
                          DeviceKey::Generate(*actions.generate));
      key_.emplace(std::move(key));
      return Perform(client_.OnKey(key_->PublicKeyDer()));
    }
    if (actions.store.has_value()) {
      SP_RETURN_IF_ERROR(Store(*actions.store));
      return Perform(client_.OnStored());
    }
    if (actions.erase) {
      std::remove(options_.certificate_out.c_str());
      std::remove(options_.key_out.c_str());
      return Perform(client_.OnErased());
    }
    return actions.done;
  }

  // On disk before the server hears that it is stored.
  absl::Status Store(const std::vector<uint8_t>& der) {
    if (!key_.has_value()) {
      return MakeError(absl::StatusCode::kInternal, "KEY_GENERATION_FAILED",
                       "a certificate came before the key");
    }
    SP_RETURN_IF_ERROR(key_->CheckCertificate(der));
    const Secret pem = key_->PrivateKeyPem();
    SP_RETURN_IF_ERROR(WriteDurableFile(options_.key_out, pem.DangerousText()));
    SP_RETURN_IF_ERROR(
        WriteDurableFile(options_.certificate_out, CertificateToPem(der)));
    certificate_der_ = ToString(der);
    return absl::OkStatus();
  }

  TlsConnection& connection_;
  CapfClient client_;
  const EnrollOptions& options_;
  std::optional<DeviceKey> key_;
  std::string certificate_der_;
};

type::v1::CertificateSummary Summary(const CertificateInfo& info) {
  type::v1::CertificateSummary summary;
  summary.set_subject(info.subject);
  summary.set_issuer(info.issuer);
  summary.set_serial(info.serial_hex);
  for (const std::string& name : info.AltNames(SubjectAltName::Type::kDns)) {
    summary.add_subject_alt_names(absl::StrCat("DNS:", name));
  }
  *summary.mutable_not_before_time() = ToProto(info.not_before);
  *summary.mutable_not_after_time() = ToProto(info.not_after);
  summary.set_sha1_thumbprint(HexEncode(info.sha1));
  summary.set_sha256_thumbprint(HexEncode(info.sha256));
  return summary;
}

absl::StatusOr<std::vector<uint8_t>> ReadDer(const std::string& file) {
  SP_ASSIGN_OR_RETURN(const std::string pem, ReadWholeFile(file, 64 * 1024));
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      CertificatesFromPem(pem));
  const ByteSpan der = AsBytes(certificates[0]);
  return std::vector<uint8_t>(der.begin(), der.end());
}

// What the phone holds already: for proofs, and for Troubleshoot.
absl::Status AddExisting(const EnrollOptions& options,
                         CapfClient::Options& client) {
  if (!options.mic.empty()) {
    SP_ASSIGN_OR_RETURN(client.mic_der, ReadDer(options.mic));
  }
  if (options.existing_certificate.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::vector<uint8_t> der,
                      ReadDer(options.existing_certificate));
  const bool is_mic = options.existing_kind == "mic";
  (is_mic ? client.mic_der : client.certificate_der) = der;
  if (options.existing_key.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(std::string pem,
                      ReadWholeFile(options.existing_key, 64 * 1024));
  SP_ASSIGN_OR_RETURN(const DeviceKey key,
                      DeviceKey::FromPem(Secret::Take(std::move(pem))));
  const std::string text = options.device + '\0' + ToString(ByteSpan(der));
  SP_ASSIGN_OR_RETURN(client.proof_sha1, key.SignDigest(Sha1(AsBytes(text))));
  SP_ASSIGN_OR_RETURN(client.proof_sha512,
                      key.SignDigest(Sha512(AsBytes(text))));
  client.proof_certificate =
      capf::CapfCertificate{is_mic ? capf::CapfCertificateType::kMic
                                   : capf::CapfCertificateType::kLsc,
                            der};
  return absl::OkStatus();
}

absl::Status RunEnroll(CliContext& context, const EnrollOptions& options) {
  if (!options.key_type.empty() && options.key_type != "ec" &&
      options.key_type != "rsa") {
    return UsageError("--key-type is ec or rsa");
  }
  CapfClient::Options client;
  client.device_name = options.device;
  client.allow_ec = options.key_type != "rsa";
  client.allow_rsa = options.key_type != "ec";
  SP_ASSIGN_OR_RETURN(client.authentication_string,
                      AuthenticationString(options));
  SP_RETURN_IF_ERROR(AddExisting(options, client));
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<TlsConnection> connection,
                      ConnectToCapf(options));
  Enrolment enrolment(*connection, CapfClient(std::move(client)), options);
  SP_RETURN_IF_ERROR(enrolment.Run());
  if (enrolment.certificate_der().empty()) {
    context.err() << "the operation is done; no new certificate came\n";
    return absl::OkStatus();
  }
  SP_ASSIGN_OR_RETURN(const CertificateInfo info,
                      ParseCertificate(AsBytes(enrolment.certificate_der())));
  const type::v1::CertificateSummary summary = Summary(info);
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(summary, context.format, "");
    return absl::OkStatus();
  }
  context.out() << "device:   " << options.device
                << "\nsubject:  " << summary.subject()
                << "\nissuer:   " << summary.issuer()
                << "\nserial:   " << summary.serial()
                << "\nexpires:  " << absl::FormatTime(info.not_after)
                << "\nSHA-1:    " << summary.sha1_thumbprint()
                << "\nSHA-256:  " << summary.sha256_thumbprint()
                << "\nwritten:  " << options.certificate_out << ", "
                << options.key_out << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddEnrollCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<EnrollOptions>();
  CLI::App* const command = app.add_subcommand(
      "enroll", "Gets a phone certificate (LSC) by the CAPF protocol");
  command->add_option("--server", options->server, "HOST:PORT, port 3804")
      ->required();
  command->add_option("--ca", options->ca_file, "Roots of the server, PEM")
      ->required();
  command->add_option("--server-name", options->server_name,
                      "Name in the server's certificate, if it is not HOST");
  command->add_option("--device", options->device, "Device name, SEP...")
      ->required();
  command->add_option("--auth-string", options->authentication_string,
                      "Authentication string; other users of this machine may "
                      "see it");
  command->add_option("--auth-string-file", options->authentication_string_file,
                      "File whose first line is the string, - for stdin");
  command->add_option("--key-out", options->key_out, "Private key to write")
      ->required();
  command
      ->add_option("--cert-out", options->certificate_out,
                   "Certificate to write")
      ->required();
  command->add_option("--key-type", options->key_type,
                      "ec or rsa: refuse to make the other");
  command->add_option("--existing-cert", options->existing_certificate,
                      "Certificate that the phone holds, PEM");
  command->add_option("--existing-key", options->existing_key,
                      "Its key, PEM: the phone proves itself by it");
  command
      ->add_option("--existing-kind", options->existing_kind,
                   "What it is: lsc or mic")
      ->check(CLI::IsMember({"lsc", "mic"}));
  command->add_option("--mic", options->mic,
                      "Manufacturer's certificate, PEM, for Troubleshoot");
  command->add_option("--timeout", options->timeout_seconds,
                      "Seconds to wait for each answer");
  command->callback(
      [&context, options] { context.result = RunEnroll(context, *options); });
}

}  // namespace sallyport::cli
