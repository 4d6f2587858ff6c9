// The load of media_load: a paced generator of frames, the sink that counts
// them, the program that steers ports for the bare relay, and the bare relays
// of the kernel tiers.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_FLOWS 8192
#define FRAME_HEAD 58

struct frame_template {
  unsigned char head[60];  // FRAME_HEAD of them are used
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_FLOWS);
  __type(key, __u32);
  __type(value, struct frame_template);
} templates SEC(".maps");

// SRTP packets by sequence number, the same for every flow; see Testbed.
#define ROUNDS 8192
struct protected_packet {
  __u64 words[23];  // 182 octets
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ROUNDS);
  __type(key, __u32);
  __type(value, struct protected_packet);
} protected_packets SEC(".maps");

// What arrived at the sink, by the core that it was sent on: one counter for
// all would bounce between them, and one that is looked at with each packet
// between the relay and the load.
#define CPUS 64
#define GENERATORS 4
struct arrivals {
  struct {
    __u64 told[GENERATORS];  // they look at it all the time
    __u64 padding[8 - GENERATORS];
    __u64 count[GENERATORS];
    __u64 more_padding[8 - GENERATORS];
  } cpu[CPUS];
};
#define TOLD 16
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct arrivals);
} arrived SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} one_socket SEC(".maps");

volatile const __u32 out_interface = 0;

// One for each of the relay's loops, which sends the templates whose number has
// the remainder of its own; veth chooses the queue by the core that it runs on.
struct generator {
  __u32 flow, position, send, flows;
  __u64 sent, idle_ns, round, next_ns;
  __u64 lost;
  __u64 padding;
};

// Shared with the program that measures; the same structs stand there.
struct control {
  __u32 window, count, cpus, sequence_offset;
  // Paced: a batch each interval, and its time in each frame.
  __u64 interval_ns;
  __u64 protects;
  __u64 padding[4];
  __u8 on_cpu[CPUS];  // which generator
  struct generator generators[GENERATORS];
} control __attribute__((aligned(64))) = {256, 1, 1};

// How long frames were on their way, in steps of 1 << DELAY_SHIFT ns.
#define DELAY_STEPS 4096
#define DELAY_SHIFT 12
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, DELAY_STEPS);
  __type(key, __u32);
  __type(value, __u64);
} delays SEC(".maps");

struct wait {
  struct generator* generator;
  struct arrivals* arrivals;
  __u32 number;
};

static long WaitForRoom(__u32 turn, struct wait* wait) {
  struct generator* own = wait->generator;
  __u32 number = wait->number & (GENERATORS - 1);
  __s64 under_way = own->sent - own->lost;
  for (__u32 i = 0; i < CPUS; i++) {
    if (i >= control.cpus) break;
    under_way -= *(volatile __u64*)&wait->arrivals->cpu[i].told[number];
  }
  if (under_way + 64 <= (__s64)control.window) {
    __u64 now = control.interval_ns ? bpf_ktime_get_ns() : 0;
    if (now >= own->next_ns) {
      // Late by much: what was missed is not made up for.
      if (now > own->next_ns + 1000000) own->next_ns = now;
      own->next_ns += control.interval_ns;
      own->send = 1;
      return 1;
    }
  }
  for (int i = 0; i < 8; i++) bpf_ktime_get_ns();
  return 0;
}

// Runs in one endless BPF_PROG_TEST_RUN with live frames. Before each batch of
// 64 it waits up to some 60 us until 64 more fit into the window, then emits
// the whole batch, as interrupt moderation makes a NIC do.
SEC("xdp")
int generate(struct xdp_md* context) {
  __u32 number = control.on_cpu[bpf_get_smp_processor_id() & (CPUS - 1)] &
                 (GENERATORS - 1);
  struct generator* own = &control.generators[number];
  if (own->position == 0) {
    __u32 zero = 0;
    struct wait wait = {own, bpf_map_lookup_elem(&arrived, &zero), number};
    if (!wait.arrivals) return XDP_ABORTED;
    own->send = 0;
    __u64 start = bpf_ktime_get_ns();
    bpf_loop(300, WaitForRoom, &wait, 0);
    own->idle_ns += bpf_ktime_get_ns() - start;
  }
  if (++own->position == 64) own->position = 0;
  if (!own->send) return XDP_DROP;
  unsigned char* data = (void*)(long)context->data;
  void* end = (void*)(long)context->data_end;
  if (data + FRAME_HEAD > (unsigned char*)end) return XDP_ABORTED;
  __u32 flow = own->flow;
  if (flow + 1 >= own->flows) {
    own->flow = 0;
    own->round++;
  } else {
    own->flow = flow + 1;
  }
  flow = flow * control.count + number;
  struct frame_template* frame = bpf_map_lookup_elem(&templates, &flow);
  if (!frame) return XDP_ABORTED;
  __builtin_memcpy(data, frame->head, FRAME_HEAD);
  own->sent++;
  if (control.protects) {
    __u32 round = own->round & (ROUNDS - 1);
    struct protected_packet* packet =
        bpf_map_lookup_elem(&protected_packets, &round);
    if (!packet || data + 42 + 182 > (unsigned char*)end) return XDP_ABORTED;
#pragma unroll
    for (int i = 0; i < 22; i++) {
      *(__u64*)(data + 42 + 8 * i) = packet->words[i];
    }
    *(__u32*)(data + 42 + 176) = (__u32)packet->words[22];
    *(__u16*)(data + 42 + 180) = (__u16)(packet->words[22] >> 32);
    return bpf_redirect(out_interface, 0);
  }
  __u16 sequence = bpf_htons((__u16)own->round);
  if (control.sequence_offset == 44) *(__u16*)(data + 44) = sequence;
  if (control.sequence_offset == 48) *(__u16*)(data + 48) = sequence;
  if (control.interval_ns && data + 74 <= (unsigned char*)end) {
    __u64 now = bpf_ktime_get_ns();
    if (control.sequence_offset == 44) __builtin_memcpy(data + 54, &now, 8);
    if (control.sequence_offset == 48) __builtin_memcpy(data + 58, &now, 8);
  }
  return bpf_redirect(out_interface, 0);
}

// `ssrc` is in network order.
static __always_inline void CountArrivals(__u64 more, __u32 ssrc) {
  __u32 zero = 0;
  struct arrivals* arrivals = bpf_map_lookup_elem(&arrived, &zero);
  if (!arrivals) return;
  __u32 cpu = bpf_get_smp_processor_id() & (CPUS - 1);
  // As the templates are numbered.
  __u32 from = 0;
  if (control.count > 1) {
    from = (bpf_ntohl(ssrc) - 0x1000) % control.count & (GENERATORS - 1);
  }
  __u64 count = arrivals->cpu[cpu].count[from] + more;
  arrivals->cpu[cpu].count[from] = count;
  if (count - arrivals->cpu[cpu].told[from] >= TOLD) {
    arrivals->cpu[cpu].told[from] = count;
  }
}

static __always_inline void CountDelay(__u64 stamp) {
  __u64 step = (bpf_ktime_get_ns() - stamp) >> DELAY_SHIFT;
  __u32 at = step < DELAY_STEPS ? step : DELAY_STEPS - 1;
  __u64* delay = bpf_map_lookup_elem(&delays, &at);
  if (delay) __sync_fetch_and_add(delay, 1);
}

SEC("tc")
int sink(struct __sk_buff* skb) {
  if (skb->protocol != bpf_htons(ETH_P_IP)) return TC_ACT_OK;
  __u32 ssrc = 0;
  if (control.count > 1) (void)bpf_skb_load_bytes(skb, 50, &ssrc, 4);
  CountArrivals(skb->gso_segs ? skb->gso_segs : 1, ssrc);
  __u64 stamp = 0;
  if (control.interval_ns && bpf_skb_load_bytes(skb, 54, &stamp, 8) == 0) {
    CountDelay(stamp);
  }
  return TC_ACT_SHOT;
}

// The same before there is a socket buffer: for what a driver forwards, whose
// receiver must not cost more than it does.
SEC("xdp")
int sink_in_driver(struct xdp_md* context) {
  unsigned char* data = (void*)(long)context->data;
  void* end = (void*)(long)context->data_end;
  if (data + 62 > (unsigned char*)end) return XDP_PASS;
  if (*(__u16*)(data + 12) != bpf_htons(ETH_P_IP)) return XDP_PASS;
  CountArrivals(1, *(__u32*)(data + 50));
  if (control.interval_ns) {
    __u64 stamp;
    __builtin_memcpy(&stamp, data + 54, 8);
    CountDelay(stamp);
  }
  return XDP_DROP;
}

SEC("xdp")
int pass(struct xdp_md* context) { return XDP_PASS; }

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} one_ring SEC(".maps");

SEC("xdp")
int to_ring(struct xdp_md* context) {
  return bpf_redirect_map(&one_ring, context->rx_queue_index, XDP_PASS);
}

SEC("sk_lookup")
int steer_all(struct bpf_sk_lookup* context) {
  if (context->protocol != 17 || context->local_port < 10000 ||
      context->local_port >= 20000) {
    return SK_PASS;
  }
  __u32 zero = 0;
  struct bpf_sock* socket = bpf_map_lookup_elem(&one_socket, &zero);
  if (!socket) return SK_PASS;
  bpf_sk_assign(context, socket, 0);
  bpf_sk_release(socket);
  return SK_PASS;
}

char kLicense[] SEC("license") = "GPL";
