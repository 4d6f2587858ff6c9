#include "services/signaling_edge/core/call_failure.h"

namespace sallyport::signaling_edge {

int CodeForCaller(int code) {
  if (code < 400) return 480;
  switch (code) {
    case 401:
    case 407:
      return 502;
    case 430:  // RFC 5626 section 5.3: between the proxies of a flow
      return 480;
    case 400:  // our request, not the caller's
    case 405:
    case 406:
    case 413:
    case 414:
    case 415:
    case 416:
    case 420:
    case 421:
    case 422:
    case 423:
    case 481:
    case 493:
    case 494:
    case 503:  // would say that we are the ones who are overloaded
    case 505:
    case 513:
      return 500;
    default:
      return code;
  }
}

std::string_view ReasonForFailure(int code) {
  switch (code) {
    case 486:
    case 600:
      return "USER_BUSY";
    case 603:
    case 607:
      return "CALL_REJECTED";
    case 404:
    case 410:
    case 484:
    case 485:
    case 604:
      return "UNALLOCATED_NUMBER";
    case 408:
    case 480:
      return "NO_ANSWER";
    case 487:
      return "CANCELLED";
    case 488:
    case 606:
      return "MEDIA_REFUSED";
    case 401:
    case 407:
      return "PEER_DEMANDS_DIGEST";
    default:
      break;
  }
  if (code < 400) return "REDIRECTION_NOT_FOLLOWED";
  return code / 100 == 5 ? "PEER_FAILED" : "PEER_REFUSED";
}

CallDisposition DispositionForFailure(int code) {
  switch (code) {
    case 486:
    case 600:
    case 603:
      return CallDisposition::kBusy;
    case 408:
    case 480:
      return CallDisposition::kNoAnswer;
    case 487:
      return CallDisposition::kCancelled;
    default:
      return CallDisposition::kFailed;
  }
}

CallDisposition DispositionForRefusal(std::string_view reason) {
  if (reason == "PEER_BUSY") return CallDisposition::kBusy;
  if (reason.starts_with("SIP_")) return CallDisposition::kFailed;  // unread
  for (const std::string_view failure :
       {"CONNECTION_LIMIT", "EXTENSION_UNSUPPORTED", "INTERNAL",
        "LOOP_DETECTED", "NO_CONFIGURATION", "NO_TARGET", "NUMBER_INVALID",
        "PEER_UNREACHABLE", "ROUTE_NOT_FOUND", "TOO_MANY_HOPS",
        "URI_SCHEME_UNSUPPORTED", "USER_NOT_REGISTERED"}) {
    if (reason == failure) return CallDisposition::kFailed;
  }
  return CallDisposition::kRefused;
}

}  // namespace sallyport::signaling_edge
