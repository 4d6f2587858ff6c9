#include "services/capf/core/phone_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/xml_text.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxNodes = 5;
constexpr size_t kSha1Digits = 40;
// What the phones' parser knows as "a line with a directory number".
constexpr int kLineFeature = 9;

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PHONE_CONFIG_INVALID",
                   what);
}

bool IsText(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

// Writes elements, one a line, indented as they nest.
class XmlWriter {
 public:
  void Open(std::string_view name, std::string_view attributes = "") {
    Indent();
    absl::StrAppend(&out_, "<", std::string(name), std::string(attributes),
                    ">\n");
    ++depth_;
  }
  void Close(std::string_view name) {
    --depth_;
    Indent();
    absl::StrAppend(&out_, "</", std::string(name), ">\n");
  }
  void Text(std::string_view name, std::string_view value) {
    Indent();
    absl::StrAppend(&out_, "<", std::string(name), ">", XmlText(value), "</",
                    std::string(name), ">\n");
  }
  void Number(std::string_view name, int value) {
    Text(name, absl::StrCat(value));
  }

  std::string Take() { return std::move(out_); }

 private:
  void Indent() { out_.append(static_cast<size_t>(depth_), ' '); }

  std::string out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  int depth_ = 0;
};

absl::Status Check(const PhoneConfig& config) {
  if (config.call_managers.empty() || config.call_managers.size() > kMaxNodes) {
    return Invalid("a phone has 1 to 5 call managers");
  }
  if (config.capf.size() > kMaxNodes) return Invalid("more than 5 CAPF nodes");
  if (config.security_mode == DeviceSecurityMode::kAuthenticated) {
    return Invalid("authenticated mode has no cipher here");
  }
  const bool encrypted = config.security_mode == DeviceSecurityMode::kEncrypted;
  if (encrypted != (config.transport == PhoneTransport::kTls)) {
    return Invalid("encrypted mode and TLS go together");
  }
  if (config.capf_auth_mode != CapfAuthMode::kNonePending &&
      config.capf.empty()) {
    return Invalid("an operation is pending, and there is no CAPF node");
  }
  const std::string& hash = config.certificate_hash;
  if (!hash.empty() &&
      (hash.size() != kSha1Digits ||
       hash.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    return Invalid("the certificate's hash is no SHA-1");
  }
  bool text = IsText(config.version_stamp);
  for (const CallManagerNode& node : config.call_managers) {
    text = text && IsText(node.name) && !node.name.empty();
  }
  for (const CapfNode& node : config.capf) {
    text = text && IsText(node.name) && !node.name.empty();
  }
  for (const PhoneLine& line : config.lines) {
    text = text && IsText(line.number) && IsText(line.display_name) &&
           IsText(line.auth_name);
  }
  return text ? absl::OkStatus()
              : Invalid("a name is empty or holds a control character");
}

void WriteCallManagers(const PhoneConfig& config, XmlWriter& out) {
  out.Open("devicePool");
  out.Open("callManagerGroup");
  out.Open("members");
  for (size_t i = 0; i < config.call_managers.size(); ++i) {
    const CallManagerNode& node = config.call_managers[i];
    out.Open("member", absl::StrCat(" priority=\"", i, "\""));
    out.Open("callManager");
    out.Text("processNodeName", node.name);
    out.Open("ports");
    out.Number("sipPort", node.sip_port);
    out.Number("securedSipPort", node.secured_sip_port);
    out.Close("ports");
    out.Close("callManager");
    out.Close("member");
  }
  out.Close("members");
  out.Close("callManagerGroup");
  out.Close("devicePool");
}

void WriteLines(const PhoneConfig& config, XmlWriter& out) {
  out.Open("sipProfile");
  out.Open("sipLines");
  for (size_t i = 0; i < config.lines.size(); ++i) {
    const PhoneLine& line = config.lines[i];
    out.Open("line", absl::StrCat(" button=\"", i + 1, "\""));
    out.Number("featureID", kLineFeature);
    out.Text("name", line.number);
    out.Text("displayName", line.display_name);
    out.Text("authName", line.auth_name);
    out.Close("line");
  }
  out.Close("sipLines");
  out.Close("sipProfile");
}

void WriteSecurity(const PhoneConfig& config, XmlWriter& out) {
  out.Number("deviceSecurityMode", static_cast<int>(config.security_mode));
  out.Number("transportLayerProtocol", static_cast<int>(config.transport));
  out.Number("capfAuthMode", static_cast<int>(config.capf_auth_mode));
  out.Open("capfList");
  for (const CapfNode& node : config.capf) {
    out.Open("capf");
    out.Number("phonePort", node.port);
    out.Text("processNodeName", node.name);
    out.Close("capf");
  }
  out.Close("capfList");
  out.Text("certHash", config.certificate_hash);
  out.Text("encrConfig", config.encrypted_config ? "true" : "false");
}

}  // namespace

absl::StatusOr<std::string> WritePhoneConfig(const PhoneConfig& config) {
  SP_RETURN_IF_ERROR(Check(config));
  XmlWriter out;
  out.Open("device");
  out.Text("fullConfig", "true");
  out.Text("deviceProtocol", "SIP");
  WriteCallManagers(config, out);
  WriteLines(config, out);
  out.Text("versionStamp", config.version_stamp);
  WriteSecurity(config, out);
  out.Close("device");
  return out.Take();
}

absl::StatusOr<std::string> WriteSignedFile(SignedFileHeader header,
                                            std::string_view payload) {
  header.version = {1, 0};
  header.signer_version.reset();
  SP_ASSIGN_OR_RETURN(std::string out, WriteSignedFileHeader(header));
  out += payload;
  return out;
}

}  // namespace sallyport::capf
