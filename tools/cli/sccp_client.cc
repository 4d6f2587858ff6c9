#include "tools/cli/sccp_client.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

constexpr uint32_t kVersion = 11;
constexpr uint32_t kKeepAlive = 0x0000;
constexpr uint32_t kRegister = 0x0001;
constexpr uint32_t kCapabilitiesRes = 0x0010;
constexpr uint32_t kUnregister = 0x0027;
constexpr uint32_t kRegisterAck = 0x0081;
constexpr uint32_t kCapabilitiesReq = 0x009B;
constexpr uint32_t kRegisterReject = 0x009D;
constexpr uint32_t kKeepAliveAck = 0x0100;
constexpr uint32_t kUnregisterAck = 0x0118;
constexpr uint32_t kVoicemailPort = 80;
constexpr uint32_t kUlaw = 4;
constexpr uint32_t kMaxFrame = 4096;
constexpr size_t kHeader = 12;
constexpr absl::Duration kKeepAliveInterval = absl::Seconds(10);

void Put(uint32_t value, std::string& out) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i));
}

uint32_t Get(std::string_view octets, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(octets[offset + i]);
  }
  return value;
}

std::string Frame(uint32_t id, const std::string& body = "") {
  std::string out;
  Put(static_cast<uint32_t>(body.size()) + 4, out);
  Put(kVersion, out);
  Put(id, out);
  return out + body;
}

}  // namespace

std::string SccpRegister(const std::string& device_name, uint32_t address) {
  std::string body = device_name.substr(0, 15);
  body.resize(16);
  Put(0, body);  // user and instance
  Put(1, body);
  body.append(reinterpret_cast<const char*>(&address), sizeof(address));
  Put(kVoicemailPort, body);
  Put(1, body);  // streams
  Put(0, body);
  Put(kVersion, body);
  return Frame(kRegister, body);
}

std::string SccpKeepAlive() { return Frame(kKeepAlive); }

std::string SccpUnregister() { return Frame(kUnregister); }

absl::StatusOr<bool> TakeSccpFrame(std::string& octets, SccpFrame& frame) {
  if (octets.size() < 4) return false;
  const uint32_t length = Get(octets, 0);
  if (length < 4 || length > kMaxFrame) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SCCP_MALFORMED",
                     absl::StrCat("a message of ", length, " octets"));
  }
  if (octets.size() < length + 8) return false;
  frame.id = Get(octets, 8);
  frame.body = octets.substr(kHeader, length - 4);
  octets.erase(0, length + 8);
  return true;
}

absl::StatusOr<SccpFrame> SccpClient::Next() {
  SccpFrame frame;
  while (true) {
    SP_ASSIGN_OR_RETURN(const bool whole, TakeSccpFrame(received_, frame));
    if (whole) return frame;
    SP_ASSIGN_OR_RETURN(const std::string more, connection_->Read());
    if (more.empty()) {
      return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                       "the call manager has hung up");
    }
    received_ += more;
  }
}

absl::StatusOr<SccpFrame> SccpClient::WaitFor(uint32_t id) {
  while (true) {
    SP_ASSIGN_OR_RETURN(SccpFrame frame, Next());
    if (frame.id == id) return frame;
    if (frame.id == kRegisterReject) {
      return MakeError(
          absl::StatusCode::kPermissionDenied, "REGISTRATION_REJECTED",
          absl::StrCat("the call manager refuses the port: ",
                       frame.body.substr(0, frame.body.find('\0'))));
    }
  }
}

absl::Status SccpClient::Register(const std::string& device_name) {
  SP_RETURN_IF_ERROR(connection_->Write(AsBytes(SccpRegister(device_name, 0))));
  SP_RETURN_IF_ERROR(WaitFor(kRegisterAck).status());
  SP_RETURN_IF_ERROR(WaitFor(kCapabilitiesReq).status());
  std::string capabilities;
  Put(1, capabilities);
  Put(kUlaw, capabilities);
  Put(20, capabilities);
  capabilities.resize(capabilities.size() + 8);
  SP_RETURN_IF_ERROR(
      connection_->Write(AsBytes(Frame(kCapabilitiesRes, capabilities))));
  // In service when it answers: what came before has been done by then.
  SP_RETURN_IF_ERROR(connection_->Write(AsBytes(SccpKeepAlive())));
  return WaitFor(kKeepAliveAck).status();
}

absl::Status SccpClient::Hold(absl::Time until) {
  while (absl::Now() < until) {
    absl::SleepFor(std::min(kKeepAliveInterval, until - absl::Now()));
    SP_RETURN_IF_ERROR(connection_->Write(AsBytes(SccpKeepAlive())));
    SP_RETURN_IF_ERROR(WaitFor(kKeepAliveAck).status());
  }
  return absl::OkStatus();
}

absl::Status SccpClient::Unregister() {
  SP_RETURN_IF_ERROR(connection_->Write(AsBytes(SccpUnregister())));
  return WaitFor(kUnregisterAck).status();
}

}  // namespace sallyport::cli
