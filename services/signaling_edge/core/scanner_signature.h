// Scanners that say who they are.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCANNER_SIGNATURE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCANNER_SIGNATURE_H_

#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Whether User-Agent or the name in From is that of a tool that is used to look
// for extensions, as it comes out of its package. Whoever changes it goes
// unseen here: it is SourceWatch that looks at what is done. Tools that
// operators use too (sipsak, sipp) are not among them.
bool HasScannerSignature(const SipMessage& request);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCANNER_SIGNATURE_H_
