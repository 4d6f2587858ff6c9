#include "services/common/status/error_reason.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/types/optional.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

constexpr char kReasonPayload[] = "sallyport/reason";
constexpr char kViolationsPayload[] = "sallyport/field_violations";

bool IsUpperSnake(std::string_view reason) {
  if (reason.empty() || !absl::ascii_isupper(reason[0])) return false;
  return std::all_of(reason.begin(), reason.end(), [](unsigned char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

void WriteText(std::string_view text, ByteBuilder& out) {
  out.WriteU32(static_cast<uint32_t>(text.size()));
  out.WriteText(text);
}

std::optional<std::string> ReadText(ByteReader& in) {
  const auto size = in.ReadU32();
  if (!size) return std::nullopt;
  const auto bytes = in.ReadBytes(*size);
  if (!bytes) return std::nullopt;
  return ToString(*bytes);
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view reason,
                       std::string_view message) {
  SP_CHECK(code != absl::StatusCode::kOk);
  SP_CHECK(IsUpperSnake(reason));
  absl::Status status(code, AbslView(message));
  status.SetPayload(kReasonPayload, absl::Cord(AbslView(reason)));
  return status;
}

absl::Status MakeError(absl::StatusCode code, std::string_view reason,
                       std::string_view message,
                       absl::Span<const FieldViolation> violations) {
  absl::Status status = MakeError(code, reason, message);
  if (violations.empty()) return status;
  ByteBuilder out;
  for (const FieldViolation& violation : violations) {
    WriteText(violation.field, out);
    WriteText(violation.description, out);
  }
  status.SetPayload(kViolationsPayload, absl::Cord(out.Take()));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload ? std::string(*payload) : std::string();
}

std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kViolationsPayload);
  if (!payload) return violations;
  const std::string bytes(*payload);
  ByteReader in(AsBytes(bytes));
  while (!in.empty()) {
    auto field = ReadText(in);
    auto description = ReadText(in);
    if (!field || !description) break;
    violations.push_back({*std::move(field), *std::move(description)});
  }
  return violations;
}

}  // namespace sallyport
