#include "services/signaling_edge/core/unsupported_extensions.h"

#include <algorithm>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kExtensions[] = {"100rel", "timer", "norefersub",
                                            "tdialog", "replaces"};
// Of REGISTER (RFC 3327, RFC 5626, RFC 6140, RFC 5627).
constexpr std::string_view kRegisterExtensions[] = {"path", "outbound", "gin",
                                                    "gruu"};

bool IsOneOf(std::string_view token, absl::Span<const std::string_view> list) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view one) {
    return EqualsIgnoreCase(one, token);
  });
}

}  // namespace

std::string UnsupportedExtensions(const SipMessage& request) {
  const bool registers = request.method() == SipMethod::kRegister;
  std::string unsupported;
  for (const HeaderId id : {HeaderId::kRequire, HeaderId::kProxyRequire}) {
    for (const std::string_view item : request.Items(id)) {
      // RFC 6140 section 5.1: proxies must know of bulk contacts too.
      const bool known =
          id == HeaderId::kProxyRequire
              ? registers && EqualsIgnoreCase(item, "gin")
              : IsOneOf(item, registers ? absl::MakeSpan(kRegisterExtensions)
                                        : absl::MakeSpan(kExtensions));
      if (!known) CatTo(unsupported, unsupported.empty() ? "" : ", ", item);
    }
  }
  return unsupported;
}

absl::Status CheckUnderstood(const SipMessage& request) {
  if (!ParseSipUri(request.request_uri()).ok()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "URI_SCHEME_UNSUPPORTED",
                     "the Request-URI is neither a SIP URI nor a tel URI");
  }
  if (const std::string unsupported = UnsupportedExtensions(request);
      !unsupported.empty()) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "EXTENSION_UNSUPPORTED",
        Cat("the request requires what we do not have: ", unsupported));
  }
  return absl::OkStatus();
}

}  // namespace sallyport::signaling_edge
