// Gives the datagrams of open relay ports to the socket of the loop that owns
// the port, and those for listeners that several loops serve to the loop that
// has the client, or, of a client that nobody has, to the one on whose core
// they arrived. For every other port the kernel looks on as if this were not
// here, so a port that is not allocated is closed.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define IPPROTO_UDP 17
#define MAX_SLOTS 1024
#define MAX_LISTENERS 16
#define MAX_LOOPS 64
#define MAX_PROBES 16
#define MAX_CPUS 1024
// Of a port: not a slot, but listeners have it.
#define LISTENED 0x8000

struct slot_address {
  __u32 family;
  __u32 address[4];  // network order
};

// By port: 1 + the slot, 0 while the port is closed. Written by the loops
// through shared memory. One value, as an array map rounds each up to eight
// octets, and every datagram reads a place of its own.
struct port_slots {
  __u16 slot[65536];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct port_slots);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_SLOTS);
  __type(key, __u32);
  __type(value, struct slot_address);
} addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, MAX_SLOTS);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

struct listener {
  __u32 family;
  __u32 address[4];  // network order
  __u32 port;
};
struct listeners {
  // Family 0: none from there on. One more than there can be: without
  // CAP_PERFMON the verifier takes no pointer to what is behind the last.
  struct listener at[MAX_LISTENERS + 1];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct listeners);
} listeners SEC(".maps");

// By listener * MAX_LOOPS + loop.
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, MAX_LISTENERS* MAX_LOOPS);
  __type(key, __u32);
  __type(value, __u64);
} listener_sockets SEC(".maps");

// Clients that a loop has: a hash table with linear probing, of words that are
// the upper 48 bits of the hash and the loop + 1; 0: free. Written by the loops
// through shared memory. The hash has a secret in it, so nobody has another's.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} clients SEC(".maps");

// Where others go. Written by the loops through shared memory.
struct arrivals {
  __u8 loop_of_cpu[MAX_CPUS];  // + 1; 0: none is there
  __u64 overfull;              // loops that have more than their share
  __u64 least;                 // the loop that has the fewest
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct arrivals);
} arrivals SEC(".maps");

// The same struct stands in port_steering.cc.
struct settings {
  __u64 seed;
  __u32 client_mask;
  __u32 first_port, port_count;
};
volatile const struct settings settings = {};

// The loop that a client which nobody has yet comes to; MAX_LOOPS: the kernel
// chooses.
static __always_inline __u32 arrived_at(void) {
  __u32 zero = 0;
  struct arrivals* all = bpf_map_lookup_elem(&arrivals, &zero);
  if (!all) return MAX_LOOPS;
  __u32 loop = all->loop_of_cpu[bpf_get_smp_processor_id() & (MAX_CPUS - 1)];
  if (loop == 0 || loop > MAX_LOOPS) return MAX_LOOPS;
  loop--;
  // One core may take in what comes for all, as with a device of one queue.
  if (all->overfull >> loop & 1) loop = all->least;
  return loop;
}

// As in client_steering.cc.
static __always_inline __u64 mix(__u64 hash, __u64 word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 32);
}

// The loop that has it; MAX_LOOPS: none.
static __always_inline __u32 home_of(__u64 hash) {
  for (__u32 i = 0; i < MAX_PROBES; i++) {
    __u32 place = ((__u32)(hash >> 40) + i) & settings.client_mask;
    __u64* word = bpf_map_lookup_elem(&clients, &place);
    if (!word || *word == 0) return MAX_LOOPS;
    if (((*word ^ hash) & ~0xFFFFull) == 0) return (*word & 0xFFFF) - 1;
  }
  return MAX_LOOPS;
}

static __always_inline int to_listener(struct bpf_sk_lookup* ctx, __u32 port) {
  __u32 remote[4] = {};
  __u32 local[4] = {};
  if (ctx->family == AF_INET) {
    // Volatile, or clang reads both families' through one pointer, which the
    // kernel's verifier refuses.
    remote[0] = *(volatile __u32*)&ctx->remote_ip4;
    local[0] = *(volatile __u32*)&ctx->local_ip4;
  } else {
    remote[0] = ctx->remote_ip6[0];
    remote[1] = ctx->remote_ip6[1];
    remote[2] = ctx->remote_ip6[2];
    remote[3] = ctx->remote_ip6[3];
    local[0] = ctx->local_ip6[0];
    local[1] = ctx->local_ip6[1];
    local[2] = ctx->local_ip6[2];
    local[3] = ctx->local_ip6[3];
  }
  __u32 zero = 0;
  struct listeners* all = bpf_map_lookup_elem(&listeners, &zero);
  if (!all) return SK_PASS;
  __u32 number = 0;
  for (; number < MAX_LISTENERS; number++) {
    struct listener* own = &all->at[number];
    if (own->family == 0) return SK_PASS;
    if (own->port == port && own->family == ctx->family &&
        own->address[0] == local[0] && own->address[1] == local[1] &&
        own->address[2] == local[2] && own->address[3] == local[3]) {
      break;
    }
  }
  __u64 hash = mix(settings.seed, remote[0] | (__u64)remote[1] << 32);
  hash = mix(hash, remote[2] | (__u64)remote[3] << 32);
  hash = mix(hash, (ctx->remote_port & 0xFFFF) | (__u64)number << 32);
  __u32 loop = home_of(hash);
  if (loop >= MAX_LOOPS) loop = arrived_at();
  if (number >= MAX_LISTENERS || loop >= MAX_LOOPS) return SK_PASS;
  __u32 at = number * MAX_LOOPS + loop;
  struct bpf_sock* socket = bpf_map_lookup_elem(&listener_sockets, &at);
  if (!socket) return SK_PASS;
  bpf_sk_assign(ctx, socket, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(socket);
  return SK_PASS;
}

SEC("sk_lookup")
int relay_lookup(struct bpf_sk_lookup* ctx) {
  if (ctx->protocol != IPPROTO_UDP) return SK_PASS;
  __u32 port = ctx->local_port;
  __u32 zero = 0;
  struct port_slots* ports_open = bpf_map_lookup_elem(&ports, &zero);
  if (!ports_open) return SK_PASS;
  __u32 slot = ports_open->slot[port & 0xFFFF];
  if (slot == 0) return SK_PASS;
  if (slot == LISTENED) return to_listener(ctx, port);
  if (port - settings.first_port >= settings.port_count) return SK_PASS;
  slot--;
  struct slot_address* own = bpf_map_lookup_elem(&addresses, &slot);
  if (!own || own->family != ctx->family) return SK_PASS;
  if (ctx->family == AF_INET) {
    if (own->address[0] != ctx->local_ip4) return SK_PASS;
  } else if (own->address[0] != ctx->local_ip6[0] ||
             own->address[1] != ctx->local_ip6[1] ||
             own->address[2] != ctx->local_ip6[2] ||
             own->address[3] != ctx->local_ip6[3]) {
    return SK_PASS;
  }
  struct bpf_sock* socket = bpf_map_lookup_elem(&sockets, &slot);
  if (!socket) return SK_PASS;
  bpf_sk_assign(ctx, socket, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(socket);
  return SK_PASS;
}

char kLicense[] SEC("license") = "GPL";
