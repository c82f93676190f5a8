// SPDX-License-Identifier: GPL-2.0
/* MSI-X vectors, each signalling an eventfd. */
#include <linux/interrupt.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "compat.h"
#include "private.h"

struct peerlane_vector {
	spinlock_t lock; /* the handler's too */
	struct eventfd_ctx *event;
	bool requested;
	char name[48]; /* in /proc/interrupts */
};

static irqreturn_t handle(int irq, void *data)
{
	struct peerlane_vector *vector = data;
	unsigned long flags;

	/* The event that is found here cannot be let go before it is signalled. */
	spin_lock_irqsave(&vector->lock, flags);
	if (vector->event)
		peerlane_signal(vector->event);
	spin_unlock_irqrestore(&vector->lock, flags);
	return IRQ_HANDLED;
}

static void replace(struct peerlane_vector *vector, struct eventfd_ctx *event)
{
	struct eventfd_ctx *old;

	spin_lock_irq(&vector->lock);
	old = vector->event;
	vector->event = event;
	spin_unlock_irq(&vector->lock);
	if (old)
		eventfd_ctx_put(old);
}

/* The machine gives vectors all at once, so all that the device has are asked for, by the first
 * that is used. A processor's vector is taken only when one is requested. */
static int enable(struct peerlane_file *file)
{
	struct peerlane_dev *dev = file->dev;
	int n;

	if (file->vectors)
		return 0;
	file->vectors = kcalloc(dev->n_vectors, sizeof(*file->vectors), GFP_KERNEL_ACCOUNT);
	if (!file->vectors)
		return -ENOMEM;
	n = pci_alloc_irq_vectors(dev->pdev, 1, dev->n_vectors, PCI_IRQ_MSIX);
	if (n < 0) {
		kfree(file->vectors);
		file->vectors = NULL;
		return n;
	}
	file->n_vectors = n;
	while (n--) {
		spin_lock_init(&file->vectors[n].lock);
		snprintf(file->vectors[n].name, sizeof(file->vectors[n].name), "peerlane-%s-%d",
			 pci_name(dev->pdev), n);
	}
	return 0;
}

static int set(struct peerlane_file *file, u32 index, struct eventfd_ctx *event)
{
	struct peerlane_vector *vector;
	int irq, ret;

	ret = enable(file);
	if (ret)
		return ret;
	if (index >= file->n_vectors)
		return -ENOSPC;
	vector = &file->vectors[array_index_nospec(index, file->n_vectors)];
	if (vector->requested) {
		replace(vector, event);
		return 0;
	}
	irq = pci_irq_vector(file->dev->pdev, index);
	if (irq < 0)
		return irq;
	vector->event = event;
	ret = request_irq(irq, handle, 0, vector->name, vector);
	if (ret)
		vector->event = NULL;
	else
		vector->requested = true;
	return ret;
}

/* A handler that runs elsewhere has returned when free_irq() does. */
static void clear(struct peerlane_file *file, u32 index)
{
	struct peerlane_vector *vector;

	if (index >= file->n_vectors)
		return;
	vector = &file->vectors[array_index_nospec(index, file->n_vectors)];
	if (!vector->requested)
		return;
	free_irq(pci_irq_vector(file->dev->pdev, index), vector);
	vector->requested = false;
	replace(vector, NULL);
}

int peerlane_irq(struct peerlane_file *file, union peerlane_args *args)
{
	struct peerlane_irq *a = &args->irq;
	struct eventfd_ctx *event = NULL;
	int ret;

	if (a->flags || a->fd < -1 || a->vector >= file->dev->n_vectors)
		return -EINVAL;
	if (a->fd >= 0) {
		event = eventfd_ctx_fdget(a->fd);
		if (IS_ERR(event))
			return PTR_ERR(event);
	}
	ret = peerlane_lock(file);
	if (!ret) {
		if (event)
			ret = set(file, a->vector, event);
		else
			clear(file, a->vector);
		mutex_unlock(&file->dev->lock);
	}
	if (ret && event)
		eventfd_ctx_put(event);
	return ret;
}

void peerlane_irq_free_all(struct peerlane_file *file)
{
	u32 i;

	if (!file->vectors)
		return;
	for (i = 0; i < file->n_vectors; i++)
		clear(file, i);
	pci_free_irq_vectors(file->dev->pdev);
	kfree(file->vectors);
	file->vectors = NULL;
	file->n_vectors = 0;
}

void peerlane_irq_signal_all(struct peerlane_file *file)
{
	u32 i;

	for (i = 0; i < file->n_vectors; i++)
		if (file->vectors[i].requested)
			handle(0, &file->vectors[i]);
}
