#include "services/signaling_edge/core/sip_status.h"

#include <string>

#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

struct ReasonRow {
  std::string_view reason;
  int code;
};

// Grouped by who makes them.
constexpr ReasonRow kReasons[] = {
    // sip_parser, sip_framer
    {"SIP_CONTENT_LENGTH_INVALID", 400},
    {"SIP_HEADER_DUPLICATE", 400},
    {"SIP_HEADER_MALFORMED", 400},
    {"SIP_HEADER_MISSING", 400},
    {"SIP_MESSAGE_TOO_LARGE", 513},
    {"SIP_START_LINE_MALFORMED", 400},
    {"SIP_URI_MALFORMED", 400},
    {"SIP_VERSION_UNSUPPORTED", 505},
    // transactions and dialogs
    {"CSEQ_OUT_OF_ORDER", 500},  // RFC 3261 section 12.2.2
    {"DIALOG_CONFIRMED", 486},   // RFC 3891 section 3
    {"DIALOG_ENDED", 603},
    {"DIALOG_NOT_CONFIRMED", 480},
    {"DIALOG_NOT_FOUND", 481},
    {"LOOP_DETECTED", 482},
    {"MERGED_REQUEST", 482},
    {"REQUEST_PENDING", 491},
    {"TOO_MANY_HOPS", 483},
    {"TRANSACTION_NOT_FOUND", 481},
    {"TRANSACTION_LIMIT", 503},
    // what a request asks for
    {"BODY_TYPE_UNSUPPORTED", 415},
    {"CONTENT_ENCODING_UNSUPPORTED", 415},
    {"EVENT_UNSUPPORTED", 489},
    {"EXTENSION_UNSUPPORTED", 420},
    {"REFER_NOT_ALLOWED", 403},
    {"REPLACES_NOT_ALLOWED", 403},
    {"METHOD_NOT_ALLOWED", 405},
    {"METHOD_UNKNOWN", 501},
    {"SESSION_INTERVAL_TOO_SMALL", 422},
    {"EXPIRES_TOO_BRIEF", 423},
    {"URI_SCHEME_UNSUPPORTED", 416},
    // identity
    {"DIGEST_FAILED", 403},
    {"DIGEST_REQUIRED", 401},
    {"IDENTITY_NOT_ALLOWED", 403},
    {"PEER_CERTIFICATE_MISSING", 403},
    {"PEER_CERTIFICATE_UNTRUSTED", 403},
    {"PEER_DISABLED", 403},
    {"PEER_IDENTITY_MISMATCH", 403},
    // security mode and media
    {"DTLS_FINGERPRINT_INVALID", 488},
    {"DTLS_SETUP_INVALID", 488},
    {"ICE_FULL_AGENT_REQUIRED", 488},
    {"ICE_MALFORMED", 488},
    {"ICE_REQUIRED", 488},
    {"MEDIA_NOT_ACCEPTABLE", 488},
    {"MEDIA_NOT_SUPPORTED", 488},
    {"MEDIA_PEER_REFUSED", 488},
    {"MEDIA_REFUSED", 488},
    {"MEDIA_RELAY_UNAVAILABLE", 503},
    {"RTCP_MUX_REQUIRED", 488},
    {"SDES_ANSWER_AMBIGUOUS", 488},
    {"SDES_MALFORMED", 488},
    {"SDES_SUITE_NOT_OFFERED", 488},
    {"SDES_TAG_NOT_OFFERED", 488},
    {"SDP_MALFORMED", 400},
    {"SDP_TOO_LARGE", 413},
    {"SECURITY_MODE_SRTP_NOT_ALLOWED", 488},
    {"SECURITY_MODE_SRTP_REQUIRED", 488},
    {"SECURITY_MODE_TLS_NOT_ALLOWED", 403},
    {"SECURITY_MODE_TLS_REQUIRED", 403},
    {"TRANSPORT_NOT_ALLOWED", 403},
    {"SRTP_KEYING_NOT_ALLOWED", 488},
    {"NULL_CIPHER_NOT_ALLOWED", 488},
    // routing and load
    {"BULK_NOT_ALLOWED", 403},
    {"FIRST_HOP_LACKS_OUTBOUND", 439},
    {"PATH_NOT_SUPPORTED", 420},
    {"REGISTRY_UNAVAILABLE", 503},
    {"CALL_BARRED", 403},
    {"CALL_LIMIT", 503},
    {"LINE_CALL_LIMIT", 403},
    {"CREDENTIALS_UNAVAILABLE", 503},
    {"DRAINING", 503},
    {"CONNECTION_LIMIT", 503},
    {"DIALLING_RESTRICTED", 403},
    {"MAX_BREADTH_EXCEEDED", 440},  // RFC 5393 section 5.3
    {"NO_CONFIGURATION", 503},
    {"NUMBER_INCOMPLETE", 484},
    {"NUMBER_INVALID", 484},
    {"OUTCALLS_NOT_ALLOWED", 403},
    {"PATTERN_BLOCKED", 403},
    {"PEER_BUSY", 486},
    {"QUEUE_FULL", 486},
    {"PEER_CALL_LIMIT", 503},
    {"TENANT_CALL_LIMIT", 503},
    {"PEER_NO_NEW_CALLS", 480},
    {"PEER_UNREACHABLE", 503},
    {"SIPS_NOT_ALLOWED", 480},  // RFC 5630 section 5.3
    {"OVERLOADED", 503},
    {"RATE_LIMITED", 503},
    {"TENANT_RATE_LIMITED", 503},
    {"USER_RATE_LIMITED", 503},
    {"TOLL_CALL_LIMIT", 403},
    {"TOLL_CALL_RATE", 403},
    {"REGISTRATION_LIMIT", 503},
    {"TENANT_REGISTRATION_LIMIT", 503},
    {"SUBSCRIPTION_LIMIT", 503},
    {"ROUTE_LOOP", 482},
    {"ROUTE_NOT_FOUND", 404},
    {"USER_DISABLED", 404},
    {"USER_NOT_FOUND", 404},
    {"USER_NOT_REGISTERED", 480},
};

struct PhraseRow {
  int code;
  std::string_view phrase;
};

constexpr PhraseRow kPhrases[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {199, "Early Dialog Terminated"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Notification"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {412, "Conditional Request Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {422, "Session Interval Too Small"},
    {423, "Interval Too Brief"},
    {428, "Use Identity Header"},
    {429, "Provide Referrer Identity"},
    {430, "Flow Failed"},
    {433, "Anonymity Disallowed"},
    {436, "Bad Identity Info"},
    {437, "Unsupported Credential"},
    {438, "Invalid Identity Header"},
    {439, "First Hop Lacks Outbound Support"},
    {440, "Max-Breadth Exceeded"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {494, "Security Agreement Required"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {580, "Precondition Failure"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
    {607, "Unwanted"},
};

int CodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kDeadlineExceeded:
      return 408;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 491;
    case absl::StatusCode::kCancelled:
      return 487;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

SipStatus SipStatusOf(const absl::Status& status) {
  int code = CodeOf(status.code());
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) {
    for (const ReasonRow& row : kReasons) {
      if (row.reason == reason) code = row.code;
    }
  }
  return {code, ReasonPhrase(code)};
}

std::string_view ReasonPhrase(int code) {
  for (const PhraseRow& row : kPhrases) {
    if (row.code == code) return row.phrase;
  }
  switch (code / 100) {
    case 1:
      return "Session Progress";
    case 2:
      return "OK";
    case 3:
      return "Redirection";
    case 4:
      return "Bad Request";
    case 5:
      return "Server Internal Error";
    default:
      return "Decline";
  }
}

}  // namespace sallyport::signaling_edge
