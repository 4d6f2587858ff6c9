// Keeps gRPC's shared callback queue alive.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_CALLBACK_QUEUE_H_
#define SALLYPORT_SERVICES_COMMON_RPC_CALLBACK_QUEUE_H_

namespace sallyport {

// gRPC 1.51 shares one completion queue, with threads of its own, among all
// channels and servers of a process that use callbacks, and takes it down with
// the last of them; one of its threads can then touch the queue once more and
// abort the process ("ref_counted.h: prior > 0"). This holds one reference for
// good, so that the queue is never taken down. MakeClientChannel() and the
// server builder call it; a test that makes plain channels calls it itself.
// The first call takes a moment, later ones nothing. Thread-safe.
void PinCallbackQueue();

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_CALLBACK_QUEUE_H_
